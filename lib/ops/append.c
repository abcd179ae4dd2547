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
  float *to = a->out + (size_t)unit * (image + context);
  (void)engine;
  memcpy(to, a->from + (size_t)unit * image, image * sizeof(float));
  memcpy(to + image, a->vectors.vectors + a->vectors.index[unit] * a->vectors.stride, context * sizeof(float));
}
