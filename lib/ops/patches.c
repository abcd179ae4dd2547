/* Latents become tokens, and tokens latents: a token holds a patch of patch x patch pixels. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/ops/op.h"

/* A unit is a sample. */
void dit__patch_tile(const dit__engine *engine, dit__op *op) {
  const dit__patch_op *p = &op->patch;
  (void)engine;
  op->units = p->samples;
  op->unit_flops = 8.0 * p->height * p->width * p->channels;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

/* The numbers of a token are ordered by channel, row, column. */
void dit__patchify_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__patch_op *o = &op->patch;
  const int64_t height = o->height, width = o->width, channels = o->channels, p = o->patch;
  const float *latent = o->from + unit % o->latents * channels * height * width;
  float *to = o->to + unit * channels * height * width;
  (void)engine;
  for (int64_t row = 0; row < height; row += p)
    for (int64_t column = 0; column < width; column += p)
      for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < p; y++, to += p)
          memcpy(to, latent + (c * height + row + y) * width + column, (size_t)p * sizeof(float));
}

/* The numbers of a token are ordered by row, column, channel. */
void dit__unpatchify_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__patch_op *o = &op->patch;
  const int64_t height = o->height, width = o->width, channels = o->channels, p = o->patch;
  const float *from = o->from + unit * channels * height * width;
  float *to = o->to + unit * channels * height * width;
  (void)engine;
  for (int64_t row = 0; row < height; row += p)
    for (int64_t column = 0; column < width; column += p)
      for (int64_t y = 0; y < p; y++)
        for (int64_t x = 0; x < p; x++)
          for (int64_t c = 0; c < channels; c++) to[(c * height + row + y) * width + column + x] = *from++;
}
