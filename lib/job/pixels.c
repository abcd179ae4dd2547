/* Pixels: see pixels.h. */
#include "lib/core/numerics.h"

#include "lib/job/pixels.h"

uint8_t dit__pixel_byte(float x) {
  const double value = 127.5 * (double)x + 128;
  return value >= 255 ? 255 : value > 0 ? (uint8_t)value : 0;
}

int32_t dit__pixel_size(int32_t channels, int32_t format) {
  switch (format) {
    case DIT_PIXELS_NATIVE: return channels;
    case DIT_PIXELS_RGB: return 3;
    case DIT_PIXELS_RGBA:
    case DIT_PIXELS_RGBA_PREMULTIPLIED:
    case DIT_PIXELS_BGRA: return 4;
    default: return 0;
  }
}

/* colour * alpha / 255, rounded. */
static uint8_t pixel_times(uint8_t colour, uint8_t alpha) { return (uint8_t)((colour * alpha + 127) / 255); }

void dit__pixel_convert(const uint8_t *from, int32_t channels, int32_t format, uint8_t *to) {
  const uint8_t alpha = channels == 4 ? from[3] : 255;
  const int premultiplied = format == DIT_PIXELS_RGB || format == DIT_PIXELS_RGBA_PREMULTIPLIED;
  for (int c = 0; c < 3; c++)
    to[format == DIT_PIXELS_BGRA ? 2 - c : c] = premultiplied ? pixel_times(from[c], alpha) : from[c];
  if (format == DIT_PIXELS_NATIVE ? channels == 4 : format != DIT_PIXELS_RGB) to[3] = alpha;
}
