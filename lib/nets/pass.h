/* A pass of a transformer while its plan is made, and the operations that blocks are made of. */
#ifndef DIT_PASS_H
#define DIT_PASS_H

#include "lib/ops/plan.h"

typedef struct dit__pass {
  dit__plan *plan;
  const dit__transformer *dit;
  int32_t batch, rows;        /* rows = batch * tokens */
  int32_t image_tokens;       /* of a sample: one for each patch */
  int32_t tokens;             /* of a sample: those of the image, and behind them those of the condition, if any */
  dit__modulation modulation; /* its vectors begin with the first chunk of the first block */
  float *x;                   /* [rows][hidden]: the residual stream */
  float *h;                   /* [rows][hidden] */
  float *wide;                /* [rows][the widest layer] */
  dit__quantized quantized;   /* [rows][the widest layer] */
  float *cosine, *sine;       /* of the rotary angles: see dit__angles_op; NULL without them */
} dit__pass;

/* Vectors of the modulation from chunk number `chunk` on; chunks are `hidden` numbers long. */
dit__modulation dit__pass_modulation(const dit__pass *pass, int64_t chunk);

/* h = norm(x) * gamma + beta; or, in modulated blocks, norm(x) * gamma * (1 + scale) + shift, with shift and scale the two
 * chunks from `chunk` on. Layer norms have a gamma only if they are not modulated; RMS norms have no beta. */
void dit__pass_norm(const dit__pass *pass, const dit__norm *norm, int64_t chunk, float eps);

/* h [batch * image_tokens][hidden]: likewise, but of the image's tokens alone. */
void dit__pass_final_norm(const dit__pass *pass, const dit__norm *norm, int64_t chunk, float eps);

/* out [`rows` of pass][matrix rows] = epilogue(x * matrix), x packed; quantized first if the matrix has a qgemm. For gated,
 * residual and product epilogues out is the residual as well. gate_chunk: the chunk of the gate, for a gated epilogue. */
void dit__pass_linear(const dit__pass *pass, const dit__matrix *matrix, const float *x, float *out,
                      dit__epilogue epilogue, int64_t gate_chunk);

/* The same for a second matrix that reads the x of the dit__pass_linear before, which has quantized it. */
void dit__pass_linear_again(const dit__pass *pass, const dit__matrix *matrix, const float *x, float *out,
                            dit__epilogue epilogue, int64_t gate_chunk);

#endif
