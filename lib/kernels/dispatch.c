/* Which table runs: the instruction sets of the processor, asked once per call, in rising order. */
#include "lib/core/numerics.h"

#include "lib/core/cpu.h"
#include "lib/core/names.h"
#include "lib/kernels/common.h"

int64_t dit__gemm_scratch(void) { return DIT__SLIVERS * DIT__MAX_MR * DIT__KC + DIT__MAX_NR; }

/* Packing may spill over the end of a block, hence the room behind each. */
int64_t dit__packed_rows(int32_t rows, int32_t k) {
  const int64_t grains = ((int64_t)rows + DIT__MR_ALIGN - 1) / DIT__MR_ALIGN;
  const int64_t blocks = ((int64_t)k + DIT__KC - 1) / DIT__KC;
  return grains * ((int64_t)DIT__MR_ALIGN * k + blocks * DIT__MAX_NR);
}

int64_t dit__attention_scratch(int32_t dim) {
  const int64_t width = ((int64_t)dim + DIT__MAX_NR - 1) / DIT__MAX_NR * DIT__MAX_NR;
  return DIT__QUERIES * (2 * width + DIT__KC) + width;
}

/* Points lie a line of the cache further apart than they must: not by a power of two. */
int64_t dit__winograd_panel(int32_t channels, int32_t nr) {
  return DIT__WINOGRAD_POINTS * ((int64_t)channels * nr + 16);
}

int64_t dit__winograd_point(int32_t tiles, int32_t channels) {
  const int64_t rows = ((int64_t)tiles + DIT__WINOGRAD_ALIGN - 1) / DIT__WINOGRAD_ALIGN * DIT__WINOGRAD_ALIGN;
  return rows * (((int64_t)channels + 15) / 16 * 16) + 16;
}

int64_t dit__winograd_scratch(int32_t tiles, int32_t columns) {
  const int64_t rows = ((int64_t)tiles + DIT__WINOGRAD_ALIGN - 1) / DIT__WINOGRAD_ALIGN * DIT__WINOGRAD_ALIGN;
  const int64_t wide = ((int64_t)columns + DIT__MAX_NR - 1) / DIT__MAX_NR * DIT__MAX_NR;
  return (rows < DIT__WINOGRAD_GROUP ? rows : DIT__WINOGRAD_GROUP) *
         (wide < DIT__WINOGRAD_COLUMNS ? wide : DIT__WINOGRAD_COLUMNS) * DIT__WINOGRAD_POINTS;
}

int32_t dit__kernels_get(int32_t isa, dit__kernels *table) {
  static const int32_t rising[] = {DIT_ISA_NEON,     DIT_ISA_NEON_DOT, DIT_ISA_AVX2,
                                   DIT_ISA_AVX_VNNI, DIT_ISA_AVX512,   DIT_ISA_AVX512_VNNI};
  const uint32_t present = dit__cpu_isas();
  for (size_t i = 0, automatic = !isa; automatic && i < sizeof rising / sizeof *rising; i++)
    if (present >> rising[i] & 1) isa = rising[i];
  if (!isa) isa = DIT_ISA_SCALAR;
  if (!dit__name(DIT__ENUM_ISA, isa) || !(present >> isa & 1)) return 0;
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
    if (present >> DIT__CPU_BF16 & 1) dit__kernels_avx512bf16(table);
#endif
  }
  if (isa == DIT_ISA_AVX512_VNNI) dit__kernels_avx512vnni(table);
#endif
#endif
  return 1;
}
