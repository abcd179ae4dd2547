/* The dot products of ARMv8.2 (Cortex-A75 and Apple A11 of 2017, and later). Products of bytes alone; all else is NEON.
 */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if DIT__ARM64_DOT
#include <arm_neon.h>

#define LAYER(name) neondot_##name
#if defined(__clang__)
#define TARGET __attribute__((target("dotprod")))
#else
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#include "lib/kernels/vec_neon.h"
#include "lib/kernels/vec_math.h"

/* Activations are 0..127, so that both sides may be signed. The instruction by name: intrinsics of older
 * compilers need flags for the whole file. */
static inline INLINE TARGET int32x4_t neondot_dot(int32x4_t sum, int32x4_t a, int32x4_t b) {
  __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(a), "w"(b));
  return sum;
}
#define i_dot(sum, a, b) neondot_dot(sum, a, b)
#define DOT_NV 4
#define DOT_MR 6
#include "lib/kernels/gemm_int8.h"

void dit__kernels_neondot(dit__kernels *table) {
  neondot_fill_dot(&table->i8);
  table->isa = DIT_ISA_NEON_DOT;
}
#endif
