/* The portable table: plain C, one number at a time. It runs everywhere and is what the others are tested against. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#define FN(name) scalar_##name
#define TARGET
#include "lib/kernels/vec_scalar.h"
#include "lib/kernels/template.h"
#include "lib/kernels/template_f32.h"

static inline int32_t FN(i_dot)(int32_t sum, int32_t a, int32_t b) {
  for (int shift = 0; shift < 32; shift += 8)
    sum += (int32_t)((uint32_t)a >> shift & 255) * (int8_t)((uint32_t)b >> shift & 255);
  return sum;
}
#define I_DOT FN(i_dot)
#define I_SUM_TO_F32(sum) ((float)(sum))
#define QGEMM_NV 8
#define QGEMM_MR 2
#include "lib/kernels/gemm_int8.h"

void dit__kernels_scalar(dit__kernels *table) {
  memset(table, 0, sizeof *table);
  scalar_fill_f32(table);
  scalar_fill_qgemm(&table->i8);
  table->isa = DIT_ISA_SCALAR;
}
