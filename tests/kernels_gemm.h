/* Random products, for the tests of f32 and of low-precision products. */
#ifndef DIT_TEST_KERNELS_GEMM_H
#define DIT_TEST_KERNELS_GEMM_H

#include "tests/kernels.h"

/* A product without its panels, which are each table's own, as are partial sums and out. */
typedef struct product_case {
  dit__gemm p;
  int32_t rows, columns, k;
  int32_t in_place;
  float *before; /* out, and the residual if that is the same */
  size_t out_count;
} product_case;

/* Chooses what follows the sums. */
static inline void random_epilogue(product_case *c, int style) {
  dit__gemm *p = &c->p;
  p->epilogue = random_below(6);
  p->bias = floats((size_t)c->columns, random_below(3) ? PLAIN : ZEROS);
  p->out_stride = c->columns + random_below(5);
  c->out_count = (size_t)((c->rows - 1) * p->out_stride + c->columns);
  c->before = floats(c->out_count, style);
  c->in_place = random_below(2);
  p->residual_stride = c->in_place ? p->out_stride : c->columns + random_below(5);
  if (p->epilogue == DIT__EPILOGUE_RESIDUAL || p->epilogue == DIT__EPILOGUE_GATED ||
      p->epilogue == DIT__EPILOGUE_PRODUCT)
    p->residual = c->in_place ? c->before : floats((size_t)((c->rows - 1) * p->residual_stride + c->columns), style);
  if (p->epilogue != DIT__EPILOGUE_GATED) return;
  const int32_t samples = 1 + random_below(3);
  p->first_row = random_below(50);
  p->rows_per_sample = 1 + random_below(c->rows + 10);
  p->gate_stride = c->columns + random_below(5);
  p->gate = floats((size_t)((samples - 1) * p->gate_stride + c->columns), style);
  const int32_t count = (p->first_row + c->rows - 1) / p->rows_per_sample + 1;
  int32_t *gate_rows = (int32_t *)array_new((size_t)count * sizeof(int32_t));
  for (int32_t i = 0; i < count; i++) gate_rows[i] = random_below(samples);
  p->gate_rows = gate_rows;
}

/* Returns the product of columns first..first+count-1 alone, into `out`. */
static inline dit__gemm part_of(const product_case *c, int32_t first, int32_t count, float *out) {
  dit__gemm p = c->p;
  p.columns = count;
  p.bias += first;
  p.out = out + first;
  if (p.residual) p.residual = c->in_place ? p.out : p.residual + first;
  if (p.gate) p.gate += first;
  return p;
}

/* Computes the epilogue as docs/numerics.md defines it ("Products"); fmaf is the C library's. */
static inline float defined_epilogue(const product_case *c, int32_t m, int32_t n, float sum) {
  const dit__gemm *p = &c->p;
  const float v = sum + p->bias[n];
  if (p->epilogue == DIT__EPILOGUE_STORE) return v;
  if (p->epilogue == DIT__EPILOGUE_GELU) return reference_gelu(v);
  if (p->epilogue == DIT__EPILOGUE_SILU) return reference_silu(v);
  const float x = p->residual[m * p->residual_stride + n];
  if (p->epilogue == DIT__EPILOGUE_RESIDUAL) return x + v;
  if (p->epilogue == DIT__EPILOGUE_PRODUCT) return x * v;
  return fmaf(p->gate[p->gate_rows[(p->first_row + m) / p->rows_per_sample] * p->gate_stride + n], v, x);
}

#endif
