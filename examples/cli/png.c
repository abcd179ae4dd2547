/* PNG files, by means of LodePNG, with limits on what a file from anybody can make it allocate. */
#include "png.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lodepng/lodepng.h"
#include "message.h"

/* Limits of files that are read: pixels along one side, bytes of a text, number of texts, bytes. */
enum { MAX_SIDE = 1 << 20, MAX_TEXT = 1 << 20, MAX_TEXT_COUNT = 1000 };
static const size_t MAX_FILE = (size_t)1 << 30, MAX_PIXEL_BYTES = (size_t)1 << 31;

/* A text chunk tEXt is in Latin-1 and an iTXt in UTF-8, which agree on printable ASCII. */
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
  state.encoder.auto_convert = 0; /* no palettes, so that all files of a model have one layout */
  state.encoder.text_compression = 0;
  state.info_raw.colortype = type;
  state.info_png.color.colortype = type;
  *bytes = NULL;
  unsigned error = add_texts(&state.info_png, texts, text_count);
  if (!error) {
    error = lodepng_encode(bytes, size, picture->pixels, (unsigned)picture->width, (unsigned)picture->height, &state);
  }
  lodepng_state_cleanup(&state);
  return error ? fail(EXIT_FAILED, "cannot encode the PNG: %s", lodepng_error_text(error)) : EXIT_OK;
}

/* Returns the contents of a file, which the caller frees, or NULL after a message. */
static unsigned char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  unsigned char *bytes = NULL, *larger;
  size_t room = 0, got = 1;
  *size = 0;
  while (file && got) {
    if (*size == room) {
      room = room ? 2 * room : (size_t)1 << 16;
      larger = room <= MAX_FILE ? (unsigned char *)realloc(bytes, room) : NULL;
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
  size_t count = info->text_num < MAX_TEXT_COUNT ? info->text_num : MAX_TEXT_COUNT;
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
  state.decoder.max_text_size = MAX_TEXT;
  unsigned error = lodepng_inspect(&width, &height, &state, bytes, size);
  int large = width > MAX_SIDE || height > MAX_SIDE || (uint64_t)width * height * 4 > MAX_PIXEL_BYTES;
  /* A row has a filter byte and up to 8 bytes per pixel; interlaced pictures have the rows of seven passes. */
  state.decoder.zlibsettings.max_output_size = ((size_t)width * 8 + 8) * height + 64;
  if (!error && !large) error = lodepng_decode(&file->picture.pixels, &width, &height, &state, bytes, size);
  if (!error && !large) {
    file->picture.width = (int32_t)width, file->picture.height = (int32_t)height, file->picture.channels = 4;
    if (!keep_texts(file, &state.info_png)) error = 83; /* out of memory */
  }
  lodepng_state_cleanup(&state);
  if (large) return fail(EXIT_FAILED, "%s: a picture of %u x %u pixels is too large", path, width, height);
  return error ? fail(EXIT_FAILED, "%s: not a PNG file, or a damaged one: %s", path, lodepng_error_text(error))
               : EXIT_OK;
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
