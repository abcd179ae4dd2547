/* Which table runs: the instruction sets of the processor, asked once per call, in rising order. */
#include "numerics.h"

#include "kernels/common.h"

#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__) || defined(_M_IX86)
#define DIT__X86 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

static void x86_cpuid(uint32_t leaf, uint32_t out[4]) {
#if defined(_MSC_VER)
  __cpuidex((int *)out, (int)leaf, 0);
#else
  __cpuid_count(leaf, 0, out[0], out[1], out[2], out[3]);
#endif
}

/* The registers that the operating system saves. */
static uint64_t x86_xcr0(void) {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
#endif
}

/* The highest DIT_ISA_ of this processor (Intel SDM volume 2A, CPUID; volume 1, 14.3 and 15.2). */
static int32_t x86_isa(void) {
  uint32_t r[4];
  x86_cpuid(0, r);
  const uint32_t leaves = r[0];
  x86_cpuid(1, r);
  const uint32_t fma_osxsave_avx_f16c = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29;
  if (leaves < 7 || (r[2] & fma_osxsave_avx_f16c) != fma_osxsave_avx_f16c) return DIT_ISA_SCALAR;
  const uint64_t saved = x86_xcr0();
  x86_cpuid(7, r);
  if ((saved & 6) != 6 || !(r[1] >> 5 & 1)) return DIT_ISA_SCALAR;
  const uint32_t f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
  if ((saved & 0xe6) != 0xe6 || (r[1] & f_dq_bw_vl) != f_dq_bw_vl) return DIT_ISA_AVX2;
  return sizeof(void *) == 8 ? DIT_ISA_AVX512 : DIT_ISA_AVX2;
}
#endif

int64_t dit__product_scratch(void) { return DIT__SLIVERS * DIT__ROWS_MOST * DIT__BLOCK + DIT__NR_MOST; }

/* Packing may spill over the end of what a task keeps, hence the room between. */
int64_t dit__packed_rows(int32_t rows, int32_t k) {
  const int64_t grains = ((int64_t)rows + DIT__ROWS_GRAIN - 1) / DIT__ROWS_GRAIN;
  return grains * ((int64_t)DIT__ROWS_GRAIN * k + DIT__NR_MOST);
}

int64_t dit__attention_scratch(int32_t dim) {
  const int64_t width = ((int64_t)dim + DIT__NR_MOST - 1) / DIT__NR_MOST * DIT__NR_MOST;
  return DIT__QUERIES * (2 * width + DIT__BLOCK) + width;
}

int32_t dit__kernels_get(int32_t isa, dit__kernels *table) {
  int32_t best = DIT_ISA_SCALAR;
#ifdef DIT__X86
  best = x86_isa();
#endif
  if (!isa) isa = best;
  if (isa > best || (isa != DIT_ISA_SCALAR && isa != DIT_ISA_AVX2 && isa != DIT_ISA_AVX512)) return 0;
  dit__kernels_scalar(table);
#ifdef DIT__X86
  if (isa >= DIT_ISA_AVX2) dit__kernels_avx2(table);
#if defined(__x86_64__) || defined(_M_X64)
  if (isa >= DIT_ISA_AVX512) dit__kernels_avx512(table);
#endif
#endif
  return 1;
}
