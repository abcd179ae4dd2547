/* Starting from pictures, and masks: see inpaint.h. */
#include "lib/core/numerics.h"

#include <math.h>
#include <string.h>

#include "lib/sampling/inpaint.h"

void dit__inpaint_image(const uint8_t *bytes, int64_t area, int32_t channels, float *image) {
  for (int64_t i = 0; i < area; i++, bytes += channels)
    for (int32_t c = 0; c < channels; c++) {
      const int hidden = channels == 4 && c < 3 && bytes[3] == 0;
      image[c * area + i] = hidden ? 0.0f : (float)((double)bytes[c] / 127.5 - 1);
    }
}

void dit__inpaint_weights(const uint8_t *mask, int32_t height, int32_t width, int32_t factor, float *weights) {
  for (int32_t y = 0; y < height; y++)
    for (int32_t x = 0; x < width; x++) {
      int64_t sum = 0;
      for (int32_t i = 0; i < factor * factor; i++)
        sum += mask[((int64_t)y * factor + i / factor) * width * factor + (int64_t)x * factor + i % factor];
      weights[(int64_t)y * width + x] = (float)((double)sum / (255.0 * factor * factor));
    }
}

void dit__inpaint_noised(dit__mixture mixture, int64_t count, const float *x0, const float *noise, float *x) {
  for (int64_t i = 0; i < count; i++) x[i] = (float)(mixture.data * (double)x0[i] + mixture.noise * (double)noise[i]);
}

void dit__inpaint_keep(dit__mixture mixture, int32_t channels, int64_t area, const float *weights, const float *x0,
                       const float *noise, float *x) {
  for (int64_t i = 0; i < channels * area; i++) {
    const double weight = (double)weights[i % area],
                 kept = mixture.data * (double)x0[i] + mixture.noise * (double)noise[i];
    if (weight < 1) x[i] = (float)(weight * (double)x[i] + (1 - weight) * kept);
  }
}

static uint8_t inpaint_nearer(uint8_t depth, uint8_t neighbour) {
  return neighbour + 1 < depth ? (uint8_t)(neighbour + 1) : depth;
}

/* The chessboard distance transform in two passes, one from the top left and one from the bottom right. */
void dit__inpaint_depths(const uint8_t *mask, int32_t height, int32_t width, int32_t limit, uint8_t *depth) {
  for (int64_t i = 0; i < (int64_t)height * width; i++) depth[i] = mask[i] ? (uint8_t)limit : 0;
  for (int32_t pass = 0; pass < 2; pass++)
    for (int32_t row = 0; row < height; row++) {
      const int32_t y = pass ? height - 1 - row : row, before = pass ? width : -width;
      uint8_t *line = depth + (int64_t)y * width;
      for (int32_t column = 0; column < width; column++) {
        const int32_t x = pass ? width - 1 - column : column, left = pass ? x + 1 : x - 1;
        if (left >= 0 && left < width) line[x] = inpaint_nearer(line[x], line[left]);
        for (int32_t i = x - 1; i <= x + 1 && row > 0; i++)
          if (i >= 0 && i < width) line[x] = inpaint_nearer(line[x], line[i + before]);
      }
    }
}

void dit__inpaint_compose(const uint8_t *mask, const uint8_t *depth, const uint8_t *old, int64_t area, int32_t channels,
                          int32_t fade, uint8_t *pixels) {
  const int32_t whole = 255 * fade;
  for (int64_t i = 0; i < area; i++) {
    const int32_t weight = mask[i] * depth[i];
    for (int32_t c = 0; c < channels; c++) {
      uint8_t *to = &pixels[i * channels + c];
      *to = (uint8_t)((*to * weight + old[i * channels + c] * (whole - weight) + whole / 2) / whole);
    }
  }
}
