/* NEON of AArch64, which every such processor has. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if DIT__ARM64
#include <arm_neon.h>

#define FN(name) neon_##name
#define TARGET
#include "lib/kernels/vec_neon.h"
#include "lib/kernels/template.h"
#include "lib/kernels/template_f32.h"

/* Pairs of products are added in 16 bits: with 0..127 and -127..127 they reach at most 32258. */
static inline int32x4_t FN(i_dot)(int32x4_t sum, int32x4_t a, int32x4_t b) {
  const int8x16_t x = vreinterpretq_s8_s32(a), y = vreinterpretq_s8_s32(b);
  const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(y)), high = vmull_high_s8(x, y);
  return vpadalq_s16(sum, vpaddq_s16(low, high));
}
#define I_DOT FN(i_dot)
#define I_SUM_TO_F32 vcvtq_f32_s32
#define QGEMM_NV 4
#define QGEMM_MR 4
#include "lib/kernels/gemm_int8.h"

void dit__kernels_neon(dit__kernels *table) {
  neon_fill_f32(table);
  neon_fill_qgemm(&table->i8);
  table->isa = DIT_ISA_NEON;
}
#endif
