/* Pixels: from numbers to bytes, and from the model's own format to the host's. */
#ifndef DIT_PIXELS_H
#define DIT_PIXELS_H

#include "dit.h"

/* Returns floor(127.5 x + 128), clamped to 0..255; 0 for NaN. */
uint8_t dit__pixel_byte(float x);

/* Returns the bytes of a pixel in `format` (DIT_PIXELS_*) for a model with `channels` image channels, or 0 if there is
 * no such format. */
int32_t dit__pixel_size(int32_t channels, int32_t format);

/* Converts a pixel of `channels` bytes, 3 (RGB) or 4 (RGBA with straight alpha), to `format`. */
void dit__pixel_convert(const uint8_t *from, int32_t channels, int32_t format, uint8_t *to);

#endif
