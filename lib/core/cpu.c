/* Which instruction sets the processor has. It is asked at each call, so that no state is kept. */
#include "lib/core/numerics.h"

#if defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__APPLE__) && defined(__aarch64__)
#include <sys/sysctl.h>
#endif

#include "lib/core/compiler.h"
#include "lib/core/cpu.h"

#if DIT__X86
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

static void x86_cpuid_part(uint32_t leaf, uint32_t part, uint32_t out[4]) {
#if defined(_MSC_VER)
  __cpuidex((int *)out, (int)leaf, (int)part);
#else
  __cpuid_count(leaf, part, out[0], out[1], out[2], out[3]);
#endif
}

static void x86_cpuid(uint32_t leaf, uint32_t out[4]) { x86_cpuid_part(leaf, 0, out); }

/* Returns which registers the operating system saves. */
static uint64_t x86_xcr0(void) {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
#endif
}

/* Returns the instruction sets of this processor (Intel SDM volume 2A, CPUID; volume 1, 14.3 and 15.2). */
static uint32_t x86_isas(void) {
  uint32_t r[4], all = 0;
  x86_cpuid(0, r);
  const uint32_t leaves = r[0];
  x86_cpuid(1, r);
  const uint32_t fma_osxsave_avx_f16c = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29;
  if (leaves < 7 || (r[2] & fma_osxsave_avx_f16c) != fma_osxsave_avx_f16c) return 0;
  const uint64_t saved = x86_xcr0();
  x86_cpuid(7, r);
  if ((saved & 6) != 6 || !(r[1] >> 5 & 1)) return 0;
  all |= 1u << DIT_ISA_AVX2;
  const uint32_t f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31, last = r[0];
  const int wide = sizeof(void *) == 8 && (saved & 0xe6) == 0xe6 && (r[1] & f_dq_bw_vl) == f_dq_bw_vl;
  if (wide) all |= 1u << DIT_ISA_AVX512;
  if (wide && (r[2] >> 11 & 1)) all |= 1u << DIT_ISA_AVX512_VNNI;
  if (!last) return all;
  x86_cpuid_part(7, 1, r);
  if (DIT__KNOWS_AVXVNNI && (r[0] >> 4 & 1)) all |= 1u << DIT_ISA_AVX_VNNI;
  if (DIT__KNOWS_AVX512BF16 && wide && (r[0] >> 5 & 1)) all |= 1u << DIT__CPU_BF16;
  return all;
}
#endif

#if DIT__ARM64_DOT
static int32_t arm_has_dot(void) {
#if defined(__linux__) && defined(__aarch64__)
  return (int32_t)(getauxval(AT_HWCAP) >> 20 & 1); /* HWCAP_ASIMDDP */
#elif defined(__APPLE__) && defined(__aarch64__)
  int32_t has = 0;
  size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, NULL, 0) == 0 && has == 1;
#else
  return 0; /* MSVC has no name for the instruction */
#endif
}
#endif

uint32_t dit__cpu_isas(void) {
  uint32_t present = 1u << DIT_ISA_SCALAR;
#if DIT__X86
  present |= x86_isas();
#endif
#if DIT__ARM64
  present |= 1u << DIT_ISA_NEON;
#endif
#if DIT__ARM64_DOT
  if (arm_has_dot()) present |= 1u << DIT_ISA_NEON_DOT;
#endif
  return present;
}
