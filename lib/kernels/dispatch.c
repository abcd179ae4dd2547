/* Which table runs: chosen from the instruction sets of the processor, which are asked at each call. */
#include "lib/core/numerics.h"

#include "lib/core/cpu.h"
#include "lib/core/integers.h"
#include "lib/kernels/common.h"

/* ---- Sizes ---- */

int64_t dit__gemm_scratch(void) { return DIT__MAX_ROW_PANELS * DIT__MAX_MR * DIT__KC + DIT__MAX_NR; }

/* Transposing may overwrite what lies behind a block, hence the room behind each. */
int64_t dit__packed_rows(int32_t rows, int32_t k) {
  return ceil_div(rows, DIT__MR_ALIGN) * ((int64_t)DIT__MR_ALIGN * k + ceil_div(k, DIT__KC) * DIT__MAX_NR);
}

int64_t dit__attention_scratch(int32_t dim) {
  const int64_t width = ceil_div(dim, DIT__MAX_NR) * DIT__MAX_NR;
  return DIT__QUERIES * (2 * width + DIT__KC) + width;
}

/* Points of Winograd's panels and tiles lie one cache line further apart than they must: no power of two. */
int64_t dit__winograd_panel(int32_t channels, int32_t nr) {
  return DIT__WINOGRAD_POINTS * ((int64_t)channels * nr + 16);
}

int64_t dit__winograd_point(int32_t tiles, int32_t channels) {
  const int64_t rows = ceil_div(tiles, DIT__WINOGRAD_ALIGN) * DIT__WINOGRAD_ALIGN;
  return rows * (ceil_div(channels, 16) * 16) + 16;
}

int64_t dit__winograd_scratch(int32_t tiles, int32_t columns) {
  const int64_t rows = ceil_div(tiles, DIT__WINOGRAD_ALIGN) * DIT__WINOGRAD_ALIGN;
  const int64_t width = ceil_div(columns, DIT__MAX_NR) * DIT__MAX_NR;
  return min64(rows, DIT__WINOGRAD_GROUP) * min64(width, DIT__WINOGRAD_COLUMNS) * DIT__WINOGRAD_POINTS;
}

/* ---- Instruction sets ---- */

typedef struct kernels_level {
  int32_t isa;  /* DIT_ISA_* */
  int32_t base; /* whose table it starts from; 0: none */
  void (*fill)(dit__kernels *table);
} kernels_level;

/* In rising order: the last one that is present is the best. */
static const kernels_level kernels_levels[] = {
    {DIT_ISA_SCALAR, 0, dit__kernels_scalar},
#if DIT__ARM64
    {DIT_ISA_NEON, DIT_ISA_SCALAR, dit__kernels_neon},
#endif
#if DIT__ARM64_DOT
    {DIT_ISA_NEON_DOT, DIT_ISA_NEON, dit__kernels_neondot},
#endif
#if DIT__X86
    {DIT_ISA_AVX2, DIT_ISA_SCALAR, dit__kernels_avx2},
#endif
#if DIT__X86 && DIT__KNOWS_AVXVNNI
    {DIT_ISA_AVX_VNNI, DIT_ISA_AVX2, dit__kernels_avxvnni},
#endif
#if DIT__X86_64
    {DIT_ISA_AVX512, DIT_ISA_AVX2, dit__kernels_avx512},
    {DIT_ISA_AVX512_VNNI, DIT_ISA_AVX512, dit__kernels_avx512vnni},
#endif
};
enum { KERNELS_LEVELS = sizeof kernels_levels / sizeof *kernels_levels };

static const kernels_level *kernels_level_of(int32_t isa) {
  for (int32_t i = 0; i < KERNELS_LEVELS; i++)
    if (kernels_levels[i].isa == isa) return &kernels_levels[i];
  return NULL;
}

/* Fills the table; returns 1 if AVX-512 is a part of it. */
static int32_t kernels_fill(const kernels_level *level, dit__kernels *table) {
  int32_t has_avx512 = level->isa == DIT_ISA_AVX512;
  if (level->base) has_avx512 |= kernels_fill(kernels_level_of(level->base), table);
  level->fill(table);
  return has_avx512;
}

int32_t dit__kernels_get(int32_t isa, dit__kernels *table) {
  const uint32_t present = dit__cpu_isas();
  const kernels_level *level = NULL;
  for (int32_t i = 0; i < KERNELS_LEVELS; i++)
    if ((!isa || kernels_levels[i].isa == isa) && present >> kernels_levels[i].isa & 1) level = &kernels_levels[i];
  if (!level) return 0;
  const int32_t has_avx512 = kernels_fill(level, table);
#if DIT__X86_64 && DIT__KNOWS_AVX512BF16
  if (has_avx512 && (present >> DIT__CPU_BF16 & 1)) dit__kernels_avx512bf16(table);
#else
  (void)has_avx512;
#endif
  return 1;
}
