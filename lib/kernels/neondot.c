/* The dot products of ARMv8.2 (Cortex-A75 and Apple A11 of 2017, and later). They add int8 products to NEON. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if DIT__ARM64_DOT
#include <arm_neon.h>

#define FN(name) neondot_##name
#if defined(__clang__)
#define TARGET TARGET_FEATURES("dotprod")
#else
#define TARGET TARGET_FEATURES("arch=armv8.2-a+dotprod")
#endif
#include "lib/kernels/vec_neon.h"
#include "lib/kernels/template.h"

/* Activations are 0..127, so that both sides may be signed. The instruction is written by name: the intrinsics of older
 * compilers need flags for the whole file. */
static FORCE_INLINE TARGET int32x4_t FN(i_dot)(int32x4_t sum, int32x4_t a, int32x4_t b) {
  __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(a), "w"(b));
  return sum;
}
#define I_DOT FN(i_dot)
#define I_SUM_TO_F32 vcvtq_f32_s32
#define QGEMM_NV 4
#define QGEMM_MR 6
#include "lib/kernels/gemm_int8.h"

void dit__kernels_neondot(dit__kernels *table) {
  neondot_fill_qgemm(&table->i8);
  table->isa = DIT_ISA_NEON_DOT;
}
#endif
