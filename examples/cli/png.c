/* Pictures as PNG files with texts in them; the work is LodePNG's. */
#include "png.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lodepng/lodepng.h"
#include "message.h"

enum { READ_SIDE_LIMIT = 1 << 20, READ_TEXT_LIMIT = 1 << 20, READ_TEXTS = 1000 };
static const size_t READ_FILE_LIMIT = (size_t)1 << 30, READ_BYTE_LIMIT = (size_t)1 << 31;

/* tEXt is Latin-1, iTXt UTF-8; they agree on printable ASCII. */
static int is_ascii(const char *text) {
  for (; *text; text++) {
    if ((*text < 32 && *text != '\n') || *text > 126) return 0;
  }
  return 1;
}

static unsigned add_texts(LodePNGInfo *info, const png_text *texts, int count) {
  unsigned error = 0;
  for (int i = 0; i < count && !error; i++) {
    error = is_ascii(texts[i].value) ? lodepng_add_text(info, texts[i].key, texts[i].value)
                                     : lodepng_add_itext(info, texts[i].key, "", "", texts[i].value);
  }
  return error;
}

int png_encode(const sheet *picture, const png_text *texts, int text_count, unsigned char **bytes, size_t *size) {
  LodePNGState state;
  lodepng_state_init(&state);
  LodePNGColorType type = picture->channels == 4 ? LCT_RGBA : LCT_RGB;
  state.encoder.auto_convert = 0; /* no palettes: every file of a model has the same layout */
  state.encoder.text_compression = 0;
  state.info_raw.colortype = type;
  state.info_png.color.colortype = type;
  *bytes = NULL;
  unsigned error = add_texts(&state.info_png, texts, text_count);
  if (!error) {
    error = lodepng_encode(bytes, size, picture->pixels, (unsigned)picture->width, (unsigned)picture->height, &state);
  }
  lodepng_state_cleanup(&state);
  return error ? fail(EXIT_FAILED, "the PNG cannot be made: %s", lodepng_error_text(error)) : EXIT_OK;
}

/* All of a file, to be freed; NULL after a message. */
static unsigned char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  unsigned char *bytes = NULL, *larger;
  size_t room = 0, got = 1;
  *size = 0;
  while (file && got) {
    if (*size == room) {
      room = room ? 2 * room : (size_t)1 << 16;
      larger = room <= READ_FILE_LIMIT ? (unsigned char *)realloc(bytes, room) : NULL;
      if (!larger) break;
      bytes = larger;
    }
    got = fread(bytes + *size, 1, room - *size, file);
    *size += got;
  }
  int whole = file && !got && !ferror(file);
  if (!whole) {
    fail(EXIT_FAILED, "%s: cannot be read: %s", path, file && got ? "it is too large" : strerror(errno));
    free(bytes);
    bytes = NULL;
  }
  if (file) fclose(file);
  return bytes;
}

static char *copy_text(const char *text) {
  char *copy = (char *)malloc(strlen(text) + 1);
  return copy ? strcpy(copy, text) : NULL;
}

static int keep_texts(png_file *file, const LodePNGInfo *info) {
  size_t count = info->text_num < READ_TEXTS ? info->text_num : READ_TEXTS;
  file->keys = (char **)calloc(count + 1, sizeof *file->keys);
  file->values = (char **)calloc(count + 1, sizeof *file->values);
  if (!file->keys || !file->values) return 0;
  for (size_t i = 0; i < count; i++) {
    if (!is_ascii(info->text_keys[i]) || !is_ascii(info->text_strings[i])) continue;
    int at = file->text_count++;
    file->keys[at] = copy_text(info->text_keys[i]);
    file->values[at] = copy_text(info->text_strings[i]);
    if (!file->keys[at] || !file->values[at]) return 0;
  }
  return 1;
}

static int decode(const char *path, const unsigned char *bytes, size_t size, png_file *file) {
  LodePNGState state;
  unsigned width = 0, height = 0;
  lodepng_state_init(&state);
  state.info_raw.colortype = LCT_RGBA;
  state.decoder.max_text_size = READ_TEXT_LIMIT;
  unsigned error = lodepng_inspect(&width, &height, &state, bytes, size);
  int large = width > READ_SIDE_LIMIT || height > READ_SIDE_LIMIT || (uint64_t)width * height * 4 > READ_BYTE_LIMIT;
  /* Rows of up to 8 bytes a pixel, each behind a byte; interlaced ones are in seven parts. */
  state.decoder.zlibsettings.max_output_size = ((size_t)width * 8 + 8) * height + 64;
  if (!error && !large) error = lodepng_decode(&file->picture.pixels, &width, &height, &state, bytes, size);
  if (!error && !large) {
    file->picture.width = (int32_t)width, file->picture.height = (int32_t)height, file->picture.channels = 4;
    if (!keep_texts(file, &state.info_png)) error = 83; /* out of memory */
  }
  lodepng_state_cleanup(&state);
  if (large) return fail(EXIT_FAILED, "%s: %u x %u pixels are too many", path, width, height);
  return error ? fail(EXIT_FAILED, "%s: not a PNG that can be read: %s", path, lodepng_error_text(error)) : EXIT_OK;
}

int png_read(const char *path, png_file *file) {
  size_t size;
  memset(file, 0, sizeof *file);
  unsigned char *bytes = read_file(path, &size);
  int status = bytes ? decode(path, bytes, size, file) : EXIT_FAILED;
  free(bytes);
  if (status != EXIT_OK) png_free(file);
  return status;
}

void png_free(png_file *file) {
  for (int i = 0; i < file->text_count; i++) free(file->keys[i]), free(file->values[i]);
  free(file->keys);
  free(file->values);
  sheet_free(&file->picture);
  memset(file, 0, sizeof *file);
}
