/* Pixels: from numbers to bytes, and from the model's own format to the host's. */
#ifndef DIT_PIXELS_H
#define DIT_PIXELS_H

#include "dit.h"

uint8_t dit__pixel_byte(float x); /* floor(127.5 x + 128), clamped to 0..255 */

/* Bytes of a pixel in a format (DIT_PIXELS_*) of a model with `channels` image channels; 0: there is no such format. */
int32_t dit__pixel_size(int32_t channels, int32_t format);

/* Converts a pixel of `channels` bytes to `format`. */
void dit__pixel_convert(const uint8_t *from, int32_t channels, int32_t format, uint8_t *to);

#endif
