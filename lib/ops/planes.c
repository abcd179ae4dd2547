/* Between planes, [channel][pixel], in which latents and images come and go, and pixels, [pixel][channel], on which
 * convolutions work. */
#include "lib/core/numerics.h"

#include "lib/ops/op.h"

void dit__planes_tile(const dit__engine *engine, dit__op *op) {
  const double flops = (double)FLOPS_PER_MOVE * op->planes.pixels * op->planes.channels;
  op->units = (int64_t)(flops / engine->unit_flops) + 1;
  op->unit_flops = flops / (double)op->units;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

void dit__to_pixels_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__planes_op *o = &op->planes;
  const int64_t pixels = o->pixels, channels = o->channels, end = (unit + 1) * pixels / op->units;
  (void)engine;
  for (int64_t p = unit * pixels / op->units; p < end; p++)
    for (int64_t c = 0; c < channels; c++) o->to[p * channels + c] = o->from[c * pixels + p] * o->factor;
}

void dit__to_planes_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__planes_op *o = &op->planes;
  const int64_t end = (unit + 1) * o->pixels / op->units;
  (void)engine;
  for (int64_t p = unit * o->pixels / op->units; p < end; p++)
    for (int64_t c = 0; c < o->channels; c++) {
      const float value = o->from[p * o->stride + c];
      o->to[c * o->plane + p] = value < o->low ? o->low : value > o->high ? o->high : value;
    }
}
