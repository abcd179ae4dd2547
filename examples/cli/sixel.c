/* Pictures as DEC sixels: bands of six rows, each of which is drawn once for every colour in it. */
#include "sixel.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

enum { REDS = 6, GREENS = 7, BLUES = 6, COLOURS = REDS * GREENS * BLUES };
enum { TRANSPARENT = 255, BAND_ROWS = 6, MIN_OPAQUE_ALPHA = 128 };

/* Rounds 0..255 to 0..levels-1. */
static int quantize(int value, int levels) { return (value * (levels - 1) + 127) / 255; }

/* Returns the palette index of the colour that is nearest to a pixel. */
static uint8_t nearest(const uint8_t *pixel, int32_t channels) {
  if (channels == 4 && pixel[3] < MIN_OPAQUE_ALPHA) return TRANSPARENT;
  return (uint8_t)((quantize(pixel[0], REDS) * GREENS + quantize(pixel[1], GREENS)) * BLUES +
                   quantize(pixel[2], BLUES));
}

static void print_palette(FILE *out) {
  for (int i = 0; i < COLOURS; i++) {
    int red = i / (GREENS * BLUES), green = i / BLUES % GREENS, blue = i % BLUES;
    fprintf(out, "#%d;2;%d;%d;%d", i, red * 100 / (REDS - 1), green * 100 / (GREENS - 1), blue * 100 / (BLUES - 1));
  }
}

/* Prints the pixels of one colour. A sixel is a column of six pixels, one bit each, with the top pixel in bit 0; runs of
 * equal sixels are counted. */
static void print_colour(FILE *out, const uint8_t *band, int32_t width, int32_t rows, int colour) {
  int previous = -1, run = 0;
  fprintf(out, "#%d", colour);
  for (int32_t x = 0; x <= width; x++) {
    int bits = 0;
    for (int32_t y = 0; y < rows && x < width; y++)
      bits |= (band[(size_t)y * (size_t)width + (size_t)x] == colour) << y;
    if (x < width && bits == previous) {
      run++;
      continue;
    }
    if (run > 3) fprintf(out, "!%d", run);
    for (int i = 0; i < (run > 3 ? 1 : run); i++) fputc(63 + previous, out);
    previous = bits;
    run = 1;
  }
}

static void print_band(FILE *out, const uint8_t *band, int32_t width, int32_t rows) {
  unsigned char used[256] = {0};
  /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.ArraySubscript): sixel_print has filled width * rows of them. */
  for (size_t i = 0; i < (size_t)width * (size_t)rows; i++) used[band[i]] = 1;
  for (int colour = 0, first = 1; colour < COLOURS; colour++) {
    if (!used[colour]) continue;
    if (!first) fputc('$', out); /* returns to the left end of the band */
    print_colour(out, band, width, rows, colour);
    first = 0;
  }
  fputc('-', out);
}

int sixel_print(FILE *out, const sheet *s) {
  uint8_t *band = (uint8_t *)malloc((size_t)s->width * BAND_ROWS);
  if (!band) return fail(EXIT_FAILED, "out of memory");
  fprintf(out, "\033P0;1q\"1;1;%d;%d", s->width, s->height); /* the 1: pixels that are not drawn keep the background */
  print_palette(out);
  for (int32_t top = 0; top < s->height; top += BAND_ROWS) {
    int32_t rows = s->height - top < BAND_ROWS ? s->height - top : BAND_ROWS;
    const uint8_t *from = s->pixels + (size_t)top * (size_t)s->width * (size_t)s->channels;
    for (size_t i = 0; i < (size_t)rows * (size_t)s->width; i++) {
      band[i] = nearest(from + i * (size_t)s->channels, s->channels);
    }
    print_band(out, band, s->width, rows);
  }
  fputs("\033\\\n", out);
  free(band);
  return EXIT_OK;
}
