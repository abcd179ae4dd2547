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

static void x86_cpuid_part(uint32_t leaf, uint32_t part, uint32_t out[4]) {
#if defined(_MSC_VER)
  __cpuidex((int *)out, (int)leaf, (int)part);
#else
  __cpuid_count(leaf, part, out[0], out[1], out[2], out[3]);
#endif
}

static void x86_cpuid(uint32_t leaf, uint32_t out[4]) { x86_cpuid_part(leaf, 0, out); }

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

enum { X86_BF16 = 31 }; /* a bit of its own in the set of instruction sets */

/* The instruction sets of this processor, a bit 1 << DIT_ISA_* each (Intel SDM volume 2A, CPUID; volume 1, 14.3 and
 * 15.2). */
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
  if (DIT__KNOWS_AVX512BF16 && wide && (r[0] >> 5 & 1)) all |= 1u << X86_BF16;
  return all;
}
#endif

int64_t dit__product_scratch(void) { return DIT__SLIVERS * DIT__ROWS_MOST * DIT__BLOCK + DIT__NR_MOST; }

/* Packing may spill over the end of a block, hence the room behind each. */
int64_t dit__packed_rows(int32_t rows, int32_t k) {
  const int64_t grains = ((int64_t)rows + DIT__ROWS_GRAIN - 1) / DIT__ROWS_GRAIN;
  const int64_t blocks = ((int64_t)k + DIT__BLOCK - 1) / DIT__BLOCK;
  return grains * ((int64_t)DIT__ROWS_GRAIN * k + blocks * DIT__NR_MOST);
}

int64_t dit__attention_scratch(int32_t dim) {
  const int64_t width = ((int64_t)dim + DIT__NR_MOST - 1) / DIT__NR_MOST * DIT__NR_MOST;
  return DIT__QUERIES * (2 * width + DIT__BLOCK) + width;
}

/* Points lie a line of the cache further apart than they must: not by a power of two. */
int64_t dit__winograd_panel(int32_t channels, int32_t nr) {
  return DIT__WINOGRAD_POINTS * ((int64_t)channels * nr + 16);
}

int64_t dit__winograd_point(int32_t tiles, int32_t channels) {
  const int64_t rows = ((int64_t)tiles + DIT__WINOGRAD_GRAIN - 1) / DIT__WINOGRAD_GRAIN * DIT__WINOGRAD_GRAIN;
  return rows * (((int64_t)channels + 15) / 16 * 16) + 16;
}

int64_t dit__winograd_scratch(int32_t tiles, int32_t columns) {
  const int64_t rows = ((int64_t)tiles + DIT__WINOGRAD_GRAIN - 1) / DIT__WINOGRAD_GRAIN * DIT__WINOGRAD_GRAIN;
  const int64_t wide = ((int64_t)columns + DIT__NR_MOST - 1) / DIT__NR_MOST * DIT__NR_MOST;
  return (rows < DIT__WINOGRAD_GROUP ? rows : DIT__WINOGRAD_GROUP) *
         (wide < DIT__WINOGRAD_COLUMNS ? wide : DIT__WINOGRAD_COLUMNS) * DIT__WINOGRAD_POINTS;
}

int32_t dit__kernels_get(int32_t isa, dit__kernels *table) {
  static const int32_t rising[] = {DIT_ISA_NEON,     DIT_ISA_NEON_DOT, DIT_ISA_AVX2,
                                   DIT_ISA_AVX_VNNI, DIT_ISA_AVX512,   DIT_ISA_AVX512_VNNI};
  uint32_t present = 1u << DIT_ISA_SCALAR;
#ifdef DIT__X86
  present |= x86_isas();
#endif
#if DIT__ARM64
  present |= 1u << DIT_ISA_NEON;
  if (DIT__ARM64_DOT && dit__has_arm_dot()) present |= 1u << DIT_ISA_NEON_DOT;
#endif
  for (size_t i = 0, automatic = !isa; automatic && i < sizeof rising / sizeof *rising; i++)
    if (present >> rising[i] & 1) isa = rising[i];
  if (!isa) isa = DIT_ISA_SCALAR;
  if (isa < 1 || isa > DIT_ISA_NEON_DOT || !(present >> isa & 1)) return 0;
  dit__kernels_scalar(table);
#if DIT__ARM64
  if (isa != DIT_ISA_SCALAR) dit__kernels_neon(table);
#if DIT__ARM64_DOT
  if (isa == DIT_ISA_NEON_DOT) dit__kernels_neondot(table);
#endif
#endif
#ifdef DIT__X86
  if (isa != DIT_ISA_SCALAR) dit__kernels_avx2(table);
#if DIT__KNOWS_AVXVNNI
  if (isa == DIT_ISA_AVX_VNNI) dit__kernels_avxvnni(table);
#endif
#if defined(__x86_64__) || defined(_M_X64)
  if (isa == DIT_ISA_AVX512 || isa == DIT_ISA_AVX512_VNNI) {
    dit__kernels_avx512(table);
#if DIT__KNOWS_AVX512BF16
    if (present >> X86_BF16 & 1) dit__kernels_avx512bf16(table);
#endif
  }
  if (isa == DIT_ISA_AVX512_VNNI) dit__kernels_avx512vnni(table);
#endif
#endif
  return 1;
}
