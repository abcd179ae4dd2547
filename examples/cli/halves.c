/* Pictures as text: half blocks, two pixels to a character, in 24-bit colour. */
#include "halves.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

enum { CELL_BYTES = 48, LINE_BYTES = 16, OPAQUE = 128 /* of 255 */ };
static const char UPPER[] = "\xe2\x96\x80", LOWER[] = "\xe2\x96\x84", PLAIN[] = "\033[0m";

static int32_t samples(int32_t length, int32_t step) { return (length + step - 1) / step; }

int32_t halves_lines(const sheet *picture, int32_t step) { return (samples(picture->height, step) + 1) / 2; }

/* The pixel in the middle of a step x step square; NULL: transparent or outside. */
static const uint8_t *pixel(const sheet *s, int32_t column, int32_t row, int32_t step) {
  int32_t x = column * step + step / 2, y = row * step + step / 2;
  if (row * step >= s->height) return NULL;
  if (x >= s->width) x = s->width - 1;
  if (y >= s->height) y = s->height - 1;
  const uint8_t *at = s->pixels + ((size_t)y * (size_t)s->width + (size_t)x) * (size_t)s->channels;
  return s->channels == 4 && at[3] < OPAQUE ? NULL : at;
}

static char *put(char *to, const char *text) {
  size_t length = strlen(text);
  memcpy(to, text, length);
  return to + length;
}

static char *put_colour(char *to, int ground, const uint8_t *rgb) {
  return to + sprintf(to, "\033[%d;2;%d;%d;%dm", ground, rgb[0], rgb[1], rgb[2]);
}

static char *put_cell(char *to, const uint8_t *upper, const uint8_t *lower) {
  to = put(to, PLAIN);
  if (!upper && !lower) return put(to, " ");
  if (!upper) return put(put_colour(to, 38, lower), LOWER);
  to = put_colour(to, 38, upper);
  if (lower) to = put_colour(to, 48, lower);
  return put(to, UPPER);
}

int halves_print(FILE *out, const sheet *s, int32_t step) {
  int32_t columns = samples(s->width, step), lines = halves_lines(s, step);
  char *line = (char *)malloc((size_t)columns * CELL_BYTES + LINE_BYTES);
  if (!line) return fail(EXIT_FAILED, "out of memory");
  for (int32_t row = 0; row < lines; row++) {
    char *to = line;
    for (int32_t column = 0; column < columns; column++) {
      to = put_cell(to, pixel(s, column, 2 * row, step), pixel(s, column, 2 * row + 1, step));
    }
    to = put(put(put(to, PLAIN), "\033[K"), "\n");
    fwrite(line, 1, (size_t)(to - line), out);
  }
  free(line);
  return EXIT_OK;
}
