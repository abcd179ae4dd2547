/* Operations of a pass that blocks are made of. */
#include "lib/core/numerics.h"

#include "lib/nets/pass.h"

dit__modulation dit__pass_modulation(const dit__pass *pass, int64_t chunk) {
  dit__modulation modulation = pass->modulation;
  modulation.vectors += chunk * pass->dit->hidden;
  return modulation;
}

/* Of the first `tokens` tokens of each sample. */
static void pass_norm(const dit__pass *pass, int32_t tokens, const dit__norm *norm, int64_t chunk, float eps) {
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_LAYER_NORM,
                                       .layer_norm = {.rows = pass->batch * tokens,
                                                      .width = pass->dit->hidden,
                                                      .rms = pass->dit->norm == DIT__NORM_RMS,
                                                      .modulated = dit__block_types[pass->dit->block_kind].modulated,
                                                      .rows_per_sample = tokens,
                                                      .x_rows = pass->tokens,
                                                      .eps = eps,
                                                      .x = pass->x,
                                                      .out = pass->h,
                                                      .norm = *norm,
                                                      .modulation = dit__pass_modulation(pass, chunk)}});
}

void dit__pass_norm(const dit__pass *pass, const dit__norm *norm, int64_t chunk, float eps) {
  pass_norm(pass, pass->tokens, norm, chunk, eps);
}

void dit__pass_final_norm(const dit__pass *pass, const dit__norm *norm, int64_t chunk, float eps) {
  pass_norm(pass, pass->image_tokens, norm, chunk, eps);
}

/* The rows of x as the matrix's qgemm reads them. */
static dit__quantized pass_quantized(const dit__pass *pass, const dit__matrix *matrix) {
  dit__quantized quantized = pass->quantized;
  if (matrix->qgemm) quantized.stride = (ptrdiff_t)ceil_div(matrix->weights.k, matrix->qgemm->group) * 4;
  return quantized;
}

void dit__pass_linear(const dit__pass *pass, const dit__matrix *matrix, const float *x, float *out,
                      dit__epilogue epilogue, int64_t gate_chunk) {
  if (matrix->qgemm)
    dit__plan_add(
        pass->plan,
        &(dit__op){.kind = DIT__OP_QUANTIZE,
                   .quantize = {.matrix = matrix, .rows = pass->rows, .x = x, .out = pass_quantized(pass, matrix)}});
  dit__pass_linear_again(pass, matrix, x, out, epilogue, gate_chunk);
}

void dit__pass_linear_again(const dit__pass *pass, const dit__matrix *matrix, const float *x, float *out,
                            dit__epilogue epilogue, int64_t gate_chunk) {
  const int32_t k = matrix->weights.k;
  const dit__quantized quantized = pass_quantized(pass, matrix);
  const int adds =
      epilogue == DIT__EPILOGUE_RESIDUAL || epilogue == DIT__EPILOGUE_GATED || epilogue == DIT__EPILOGUE_PRODUCT;
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_GEMM,
                                       .gemm = {.matrix = matrix,
                                                .rows = pass->rows,
                                                .epilogue = epilogue,
                                                .x = x,
                                                .x_stride = k,
                                                .quantized = quantized,
                                                .out = out,
                                                .out_stride = matrix->weights.rows,
                                                .residual = adds ? out : NULL,
                                                .gate = dit__pass_modulation(pass, gate_chunk)}});
}
