/* NEON of AArch64, which every such processor has. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if DIT__ARM64
#include <arm_neon.h>

#define LAYER(name) neon_##name
#define TARGET
#include "lib/kernels/vec_neon.h"
#include "lib/kernels/template.h"

/* Bytes 0..127 times -127..127, in 16 bits: pairs reach at most 32258. */
static inline int32x4_t neon_dot(int32x4_t sum, int8x16_t a, int8x16_t b) {
  const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  return vpadalq_s16(sum, vpaddq_s16(low, high));
}
#define i_dot(sum, a, b) neon_dot(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b))
#define DOT_NV 4
#define DOT_MR 4
#include "lib/kernels/gemm_int8.h"

void dit__kernels_neon(dit__kernels *table) {
  neon_fill(table);
  neon_fill_dot(&table->i8);
  table->isa = DIT_ISA_NEON;
}
#endif
