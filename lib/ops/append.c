/* Appending tokens of the condition to those of the image. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/ops/op.h"

/* A unit is a sample. */
void dit__append_tile(const dit__engine *engine, dit__op *op) {
  const dit__append_op *a = &op->append;
  (void)engine;
  op->units = a->samples;
  op->unit_flops = 4.0 * (a->tokens + a->context) * a->width;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

void dit__append_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__append_op *a = &op->append;
  const size_t image = (size_t)a->tokens * (size_t)a->width, context = (size_t)a->context * (size_t)a->width;
  const float *vectors = a->vectors.vectors + a->vectors.index[unit] * a->vectors.stride;
  float *to = a->out + (size_t)unit * (image + context);
  memcpy(to, a->from + (size_t)unit * image, image * sizeof(float));
  to += image;
  if (a->positions)
    engine->kernels->convert(a->positions->type, a->positions->data, (int64_t)context, 0, to);
  else
    memset(to, 0, context * sizeof(float));
  for (int32_t j = 0; j < a->context; j++) {
    const float *vector = vectors + (ptrdiff_t)(j * a->vector_count / a->context) * a->width;
    for (int32_t d = 0; d < a->width; d++) to[(ptrdiff_t)j * a->width + d] += vector[d];
  }
}
