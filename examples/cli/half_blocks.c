/* Pictures as text. A character cell shows an upper and a lower pixel: U+2580 (upper half block) with the upper pixel as
 * its foreground and the lower one as its background, or U+2584 (lower half block) if only the lower one is opaque. */
#include "half_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

/* CELL_BYTES holds a reset, two colours and a character; LINE_BYTES what follows the last cell. */
enum { CELL_BYTES = 48, LINE_BYTES = 16, MIN_OPAQUE_ALPHA = 128 };
static const char UPPER[] = "\xe2\x96\x80", LOWER[] = "\xe2\x96\x84", RESET[] = "\033[0m", CLEAR_LINE[] = "\033[K";

static int32_t ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

int32_t half_blocks_lines(const sheet *picture, int32_t step) { return ceil_div(ceil_div(picture->height, step), 2); }

/* Returns the pixel in the middle of a step x step square, or NULL if it is transparent or below the picture. */
static const uint8_t *sample(const sheet *s, int32_t column, int32_t row, int32_t step) {
  int32_t x = column * step + step / 2, y = row * step + step / 2;
  if (row * step >= s->height) return NULL;
  if (x >= s->width) x = s->width - 1;
  if (y >= s->height) y = s->height - 1;
  const uint8_t *pixel = s->pixels + ((size_t)y * (size_t)s->width + (size_t)x) * (size_t)s->channels;
  return s->channels == 4 && pixel[3] < MIN_OPAQUE_ALPHA ? NULL : pixel;
}

static char *put(char *to, const char *text) {
  size_t length = strlen(text);
  memcpy(to, text, length);
  return to + length;
}

static char *put_foreground(char *to, const uint8_t *rgb) {
  return to + sprintf(to, "\033[38;2;%d;%d;%dm", rgb[0], rgb[1], rgb[2]);
}

static char *put_background(char *to, const uint8_t *rgb) {
  return to + sprintf(to, "\033[48;2;%d;%d;%dm", rgb[0], rgb[1], rgb[2]);
}

static char *put_cell(char *to, const uint8_t *upper, const uint8_t *lower) {
  to = put(to, RESET);
  if (!upper && !lower) return put(to, " ");
  if (!upper) return put(put_foreground(to, lower), LOWER);
  to = put_foreground(to, upper);
  if (lower) to = put_background(to, lower);
  return put(to, UPPER);
}

int half_blocks_print(FILE *out, const sheet *s, int32_t step) {
  int32_t columns = ceil_div(s->width, step), lines = half_blocks_lines(s, step);
  char *line = (char *)malloc((size_t)columns * CELL_BYTES + LINE_BYTES);
  if (!line) return fail(EXIT_FAILED, "out of memory");
  for (int32_t row = 0; row < lines; row++) {
    char *to = line;
    for (int32_t column = 0; column < columns; column++) {
      to = put_cell(to, sample(s, column, 2 * row, step), sample(s, column, 2 * row + 1, step));
    }
    to = put(put(put(to, RESET), CLEAR_LINE), "\n");
    fwrite(line, 1, (size_t)(to - line), out);
  }
  free(line);
  return EXIT_OK;
}
