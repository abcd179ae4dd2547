/* --show: shows pictures in the terminal by the protocol of kitty or iTerm2, as sixels, or as half blocks. */
#include "show.h"

#include <stdlib.h>
#include <string.h>

#include "half_blocks.h"
#include "message.h"
#include "png.h"
#include "sixel.h"
#include "terminal.h"

enum { MIN_SIDE = 256, CHUNK = 4096 /* bytes of base64 that kitty accepts at once */ };

/* Enlarges a small picture to about MIN_SIDE pixels, as the pixels of a terminal are small. */
static int enlarge(const sheet *picture, sheet *larger) {
  int32_t side = picture->width > picture->height ? picture->width : picture->height;
  int32_t scale = side < MIN_SIDE ? MIN_SIDE / side : 1;
  int status = sheet_create(larger, 1, 1, picture->width, picture->height, picture->channels, scale, 0);
  if (status == EXIT_OK) sheet_put(larger, 0, 0, picture->width, picture->height, scale, picture->pixels);
  return status;
}

/* Returns the base64 encoding, which the caller frees, or NULL if out of memory. */
static char *base64(const unsigned char *bytes, size_t size, size_t *length) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *text = (char *)malloc(size / 3 * 4 + 8), *to = text;
  for (size_t i = 0; text && i < size; i += 3) {
    unsigned long word = (unsigned long)bytes[i] << 16;
    if (i + 1 < size) word |= (unsigned long)bytes[i + 1] << 8;
    if (i + 2 < size) word |= bytes[i + 2];
    *to++ = digits[word >> 18];
    *to++ = digits[word >> 12 & 63];
    *to++ = i + 1 < size ? digits[word >> 6 & 63] : '=';
    *to++ = i + 2 < size ? digits[word & 63] : '=';
  }
  *length = text ? (size_t)(to - text) : 0;
  return text;
}

/* The graphics protocol of kitty: a PNG (f=100) is sent in chunks and shown at once (a=T), without an answer (q=2). */
static void print_kitty(FILE *out, const char *text, size_t length) {
  for (size_t at = 0; at < length; at += CHUNK) {
    size_t part = length - at < CHUNK ? length - at : CHUNK;
    fprintf(out, "\033_G%sm=%d;", at ? "" : "f=100,a=T,q=2,", at + part < length);
    fwrite(text + at, 1, part, out);
    fputs("\033\\", out);
  }
  fputc('\n', out);
}

static int show_png(FILE *out, const sheet *picture, int kind) {
  unsigned char *bytes = NULL;
  size_t size = 0, length = 0;
  int status = png_encode(picture, NULL, 0, &bytes, &size);
  if (status != EXIT_OK) return status;
  char *text = base64(bytes, size, &length);
  free(bytes);
  if (!text) return fail(EXIT_FAILED, "out of memory");
  if (kind == TERMINAL_KITTY) {
    print_kitty(out, text, length);
  } else {
    fprintf(out, "\033]1337;File=inline=1;size=%zu;width=%dpx;height=%dpx:", size, picture->width, picture->height);
    fwrite(text, 1, length, out);
    fputs("\a\n", out);
  }
  free(text);
  return EXIT_OK;
}

static int show_half_blocks(FILE *out, const sheet *picture, int32_t scale) {
  int columns, rows;
  terminal_size(out, &columns, &rows);
  int32_t step = scale;
  while (step < picture->width && (picture->width + step - 1) / step > columns) step++;
  return half_blocks_print(out, picture, step);
}

int show_picture(FILE *out, const sheet *picture, int32_t scale) {
  sheet larger;
  int kind = terminal_pictures(out);
  if (kind == TERMINAL_HALF_BLOCKS) return show_half_blocks(out, picture, scale);
  int status = enlarge(picture, &larger);
  if (status == EXIT_OK) status = kind == TERMINAL_SIXEL ? sixel_print(out, &larger) : show_png(out, &larger, kind);
  sheet_free(&larger);
  return status;
}
