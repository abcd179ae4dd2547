/* What the compiler and the target processor can do, as macros. Those with a value are always defined, as 0 or 1. */
#ifndef DIT_COMPILER_H
#define DIT_COMPILER_H

/* Kernels rely on it: a microkernel that is not specialised for its number of rows spills its sums to memory. */
#if defined(__GNUC__)
#define FORCE_INLINE inline __attribute__((always_inline))
#else
#define FORCE_INLINE inline
#endif

/* Before a loop of constant length over registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL
#endif

/* Lets one function use instructions that the rest of the file may not; Visual Studio allows them everywhere. */
#if defined(__GNUC__)
#define TARGET_FEATURES(features) __attribute__((target(features)))
#else
#define TARGET_FEATURES(features)
#endif

#if defined(__x86_64__) || defined(_M_X64)
#define DIT__X86_64 1
#else
#define DIT__X86_64 0
#endif
#if DIT__X86_64 || defined(__i386__) || defined(_M_IX86)
#define DIT__X86 1
#else
#define DIT__X86 0
#endif

/* Whether numbers in memory begin with their highest byte (lib/core/little_endian.h). */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define DIT__BIG_ENDIAN 1
#else
#define DIT__BIG_ENDIAN 0
#endif

/* AArch64, little-endian; and whether its dot products can be named (Visual Studio has no name for them). */
#if (defined(__aarch64__) && !defined(__AARCH64EB__)) || defined(_M_ARM64)
#define DIT__ARM64 1
#else
#define DIT__ARM64 0
#endif
#if DIT__ARM64 && defined(__GNUC__)
#define DIT__ARM64_DOT 1
#else
#define DIT__ARM64_DOT 0
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
