/* Elementwise functions of arrays. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/ops/op.h"

void dit__elementwise_tile(const dit__engine *engine, dit__op *op) {
  const double flops = (double)FLOPS_PER_ELEMENT * (double)op->elementwise.count;
  op->units = (int64_t)(flops / engine->unit_flops) + 1;
  op->unit_flops = flops / (double)op->units;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

void dit__elementwise_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__elementwise_op *e = &op->elementwise;
  if (e->function == DIT__COPY && e->out > e->x) unit = op->units - 1 - unit; /* the last first, as they may overlap */
  const int64_t first = e->count * unit / op->units, end = e->count * (unit + 1) / op->units;
  const float *x = e->x;
  float *out = e->out;
  switch (e->function) {
    case DIT__COPY: memmove(out + first, x + first, (size_t)(end - first) * sizeof(float)); break;
    case DIT__ADD:
      for (int64_t i = first; i < end; i++) out[i] = out[i] + x[i];
      break;
    case DIT__RSUB:
      for (int64_t i = first; i < end; i++) out[i] = x[i] - out[i];
      break;
    case DIT__SILU: engine->kernels->silu(out + first, end - first, out + first); break;
  }
}
