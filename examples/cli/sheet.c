/* A sheet: pictures in a grid, enlarged. */
#include "sheet.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

enum { MAX_SIDE = 1 << 20 }; /* pixels; more than PNG viewers accept */
static const uint64_t MAX_BYTES = (uint64_t)1 << 31;

int sheet_create(sheet *s, int32_t columns, int32_t rows, int32_t width, int32_t height, int32_t channels,
                 int32_t scale, int32_t gap) {
  uint64_t wide = ((uint64_t)columns * (uint64_t)(width + gap) + (uint64_t)gap) * (uint64_t)scale;
  uint64_t high = ((uint64_t)rows * (uint64_t)(height + gap) + (uint64_t)gap) * (uint64_t)scale;
  memset(s, 0, sizeof *s);
  if (wide > MAX_SIDE || high > MAX_SIDE || wide * high * (uint64_t)channels > MAX_BYTES) {
    return fail(
        EXIT_USAGE,
        "a sheet of %llu x %llu pixels is too large; lower --scale or -n, or use a pattern such as -o %%c-%%i.png",
        (unsigned long long)wide, (unsigned long long)high);
  }
  s->width = (int32_t)wide;
  s->height = (int32_t)high;
  s->channels = channels;
  s->gap = gap * scale;
  s->pixels = (uint8_t *)calloc((size_t)wide * (size_t)high, (size_t)channels);
  return s->pixels ? EXIT_OK : fail(EXIT_FAILED, "out of memory for a sheet of %d x %d pixels", s->width, s->height);
}

void sheet_free(sheet *s) {
  free(s->pixels);
  s->pixels = NULL;
}

void sheet_put(sheet *s, int32_t column, int32_t row, int32_t width, int32_t height, int32_t scale,
               const uint8_t *pixels) {
  size_t channels = (size_t)s->channels, stride = (size_t)s->width * channels;
  size_t gap = (size_t)s->gap, top = gap + (size_t)row * ((size_t)height * (size_t)scale + gap);
  size_t left = (gap + (size_t)column * ((size_t)width * (size_t)scale + gap)) * channels;
  for (size_t y = 0; y < (size_t)height * (size_t)scale; y++) {
    const uint8_t *from = pixels + y / (size_t)scale * (size_t)width * channels;
    uint8_t *to = s->pixels + (top + y) * stride + left;
    for (size_t x = 0; x < (size_t)width * (size_t)scale; x++) {
      memcpy(to + x * channels, from + x / (size_t)scale * channels, channels);
    }
  }
}
