/* What compilers and processors can do, as macros. */
#ifndef DIT_COMPILER_H
#define DIT_COMPILER_H

#if defined(__GNUC__) /* tiles must be specialised for their number of rows, or their sums leave the registers */
#define INLINE __attribute__((always_inline))
#else
#define INLINE
#endif

/* Loops of constant length over registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL
#endif

/* x86 with vectors of its own. */
#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__) || defined(_M_IX86)
#define DIT__X86 1
#endif

/* AArch64, little-endian; and whether its dot products can be named. */
#if (defined(__aarch64__) && !defined(__AARCH64EB__)) || defined(_M_ARM64)
#define DIT__ARM64 1
#else
#define DIT__ARM64 0
#endif
#if DIT__ARM64 && defined(__GNUC__)
#define DIT__ARM64_DOT 1
#define DIT__PREFETCH(p, locality) __builtin_prefetch(p, 0, locality)
#else
#define DIT__ARM64_DOT 0
#define DIT__PREFETCH(p, locality) ((void)(p))
#endif

/* Compilers that know these instructions: gcc 11, clang 12, Visual Studio 2022. */
#if (defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && defined(__GNUC__) && __GNUC__ >= 11) || \
    (defined(_MSC_VER) && _MSC_VER >= 1930)
#define DIT__KNOWS_AVXVNNI 1
#define DIT__KNOWS_AVX512BF16 1
#else
#define DIT__KNOWS_AVXVNNI 0
#define DIT__KNOWS_AVX512BF16 0
#endif

#endif
