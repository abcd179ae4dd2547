/* PNG files, by means of LodePNG, with limits on what a file from anybody can make it allocate. */
#include "png.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lodepng/lodepng.h"
#include "message.h"
#include "png_memory.h"

/* Limits of files that are read: pixels along one side; bytes of a text, texts; bytes of LodePNG's memory beside what the
 * pixels and the file's own size account for. Texts are copied once. */
enum { MAX_SIDE = 1 << 20, MAX_TEXT = 1 << 20, MAX_TEXT_COUNT = 1000 };
enum { MAX_HEADER_BYTES = 16 << 20, MAX_TEXT_BYTES = 20 << 20 };
/* Beside PNG_MEMORY_FAILED and LodePNG's errors, which are positive. */
enum { TOO_MANY_TEXTS = -2, TOO_MANY_PROFILES = -3 };
static const size_t MAX_FILE = (size_t)1 << 30;

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

/* What encoding and decoding work on, for png_memory_run. */
typedef struct png_work {
  LodePNGState state;
  const sheet *picture;
  const png_text *texts;
  int text_count;
  png_file *file;
  unsigned char *out;
  unsigned width, height;
  size_t size;
} png_work;

/* Returns an error of LodePNG, or 0. */
static int encode_work(void *context) {
  png_work *w = (png_work *)context;
  LodePNGColorType type = w->picture->channels == 4 ? LCT_RGBA : LCT_RGB;
  lodepng_state_init(&w->state);
  w->state.encoder.auto_convert = 0; /* no palettes, so that all files of a model have one layout */
  w->state.encoder.text_compression = 0;
  w->state.info_raw.colortype = type;
  w->state.info_png.color.colortype = type;
  unsigned error = add_texts(&w->state.info_png, w->texts, w->text_count);
  if (error) return (int)error;
  return (int)lodepng_encode(&w->out, &w->size, w->picture->pixels, (unsigned)w->picture->width,
                             (unsigned)w->picture->height, &w->state);
}

int png_encode(const sheet *picture, const png_text *texts, int text_count, unsigned char **bytes, size_t *size) {
  png_work work = {.picture = picture, .texts = texts, .text_count = text_count};
  int error = png_memory_run(SIZE_MAX, encode_work, &work);
  *bytes = error ? NULL : (unsigned char *)malloc(work.size);
  if (*bytes) memcpy(*bytes, work.out, *size = work.size);
  png_memory_end();
  if (*bytes) return EXIT_OK;
  return fail(EXIT_FAILED, "cannot encode the PNG: %s",
              error > 0 ? lodepng_error_text((unsigned)error) : "out of memory");
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

static int fail_to_decode(const char *path, int error) {
  if (error == PNG_MEMORY_FAILED)
    return fail(EXIT_FAILED, "%s: out of memory, or more than such a file should take", path);
  return fail(EXIT_FAILED, "%s: not a PNG file, or a damaged one: %s", path,
              error == TOO_MANY_PROFILES ? "it has more than one colour profile" : lodepng_error_text((unsigned)error));
}

/* ---- Reading ---- */

static int inspect_work(void *context) {
  png_work *w = (png_work *)context;
  lodepng_state_init(&w->state);
  return (int)lodepng_inspect(&w->width, &w->height, &w->state, w->file->bytes, w->file->size);
}

int png_open(const char *path, png_file *file) {
  png_work work = {.file = file};
  memset(file, 0, sizeof *file);
  file->bytes = read_file(path, &file->size);
  if (!file->bytes) return EXIT_FAILED;
  int error = png_memory_run(MAX_HEADER_BYTES, inspect_work, &work);
  file->width = work.width;
  file->height = work.height;
  file->bits = error ? 0 : lodepng_get_bpp(&work.state.info_png.color);
  png_memory_end();
  int status = error ? fail_to_decode(path, error) : EXIT_OK;
  if (status == EXIT_OK && (work.width > MAX_SIDE || work.height > MAX_SIDE))
    status = fail(EXIT_FAILED, "%s: a picture of %u x %u pixels is too large", path, work.width, work.height);
  if (status != EXIT_OK) png_free(file);
  return status;
}

/* LodePNG unpacks every colour profile that it meets, to up to 16 MB, and a file may have one. */
static int count_profiles(const png_file *file) {
  const unsigned char *end = file->bytes + file->size;
  int count = 0;
  for (const unsigned char *chunk = file->bytes + 8; end - chunk >= 12; chunk = lodepng_chunk_next_const(chunk, end))
    count += lodepng_chunk_type_equals(chunk, "iCCP");
  return count;
}

static int decode_work(void *context) {
  png_work *w = (png_work *)context;
  if (count_profiles(w->file) > 1) return TOO_MANY_PROFILES;
  lodepng_state_init(&w->state);
  w->state.info_raw.colortype = LCT_RGBA;
  w->state.decoder.read_text_chunks = 0;
  /* A row has a filter byte and up to 8 bytes per pixel; interlaced pictures have the rows of seven passes. */
  w->state.decoder.zlibsettings.max_output_size = ((size_t)w->file->width * 8 + 8) * w->file->height + 64;
  return (int)lodepng_decode(&w->out, &w->width, &w->height, &w->state, w->file->bytes, w->file->size);
}

/* The rows are unpacked into a buffer that grows by half, then put into another one; RGBA is made of that, and copied. */
uint64_t png_decode_bytes(const png_file *file) {
  const uint64_t area = (uint64_t)file->width * file->height;
  return 4 * (uint64_t)file->size + area * 5 * file->bits / 16 + area * 8 + MAX_HEADER_BYTES;
}

int png_decode(const char *path, png_file *file) {
  png_work work = {.file = file};
  const size_t bytes = (size_t)file->width * file->height * 4;
  const uint64_t most = png_decode_bytes(file);
  const size_t limit = most < SIZE_MAX ? (size_t)most : SIZE_MAX;
  int error = png_memory_run(limit, decode_work, &work);
  if (!error) file->picture.pixels = (uint8_t *)malloc(bytes);
  if (file->picture.pixels) {
    memcpy(file->picture.pixels, work.out, bytes);
    file->picture.width = (int32_t)file->width, file->picture.height = (int32_t)file->height;
    file->picture.channels = 4;
  }
  png_memory_end();
  return file->picture.pixels ? EXIT_OK : fail_to_decode(path, error ? error : PNG_MEMORY_FAILED);
}

/* Reads chunk after chunk, and stops at the first text too many. */
static int texts_work(void *context) {
  png_work *w = (png_work *)context;
  const unsigned char *bytes = w->file->bytes, *end = bytes + w->file->size;
  lodepng_state_init(&w->state);
  w->state.decoder.max_text_size = MAX_TEXT;
  unsigned error = lodepng_inspect(&w->width, &w->height, &w->state, bytes, w->file->size);
  for (const unsigned char *chunk = bytes + 8; !error && end - chunk >= 12;) {
    if (lodepng_chunk_type_equals(chunk, "IEND")) break;
    const int text = lodepng_chunk_type_equals(chunk, "tEXt") || lodepng_chunk_type_equals(chunk, "zTXt") ||
                     lodepng_chunk_type_equals(chunk, "iTXt");
    if (text) error = lodepng_inspect_chunk(&w->state, (size_t)(chunk - bytes), bytes, w->file->size);
    if (w->state.info_png.text_num + w->state.info_png.itext_num > MAX_TEXT_COUNT) return TOO_MANY_TEXTS;
    chunk = lodepng_chunk_next_const(chunk, end);
  }
  return (int)error;
}

static int keep_texts(png_file *file, const LodePNGInfo *info) {
  file->keys = (char **)calloc(info->text_num + 1, sizeof *file->keys);
  file->values = (char **)calloc(info->text_num + 1, sizeof *file->values);
  if (!file->keys || !file->values) return 0;
  for (size_t i = 0; i < info->text_num; i++) {
    if (!is_ascii(info->text_keys[i]) || !is_ascii(info->text_strings[i])) continue;
    int at = file->text_count++;
    file->keys[at] = copy_text(info->text_keys[i]);
    file->values[at] = copy_text(info->text_strings[i]);
    if (!file->keys[at] || !file->values[at]) return 0;
  }
  return 1;
}

int png_read_texts(const char *path, png_file *file) {
  png_work work = {.file = file};
  int error = png_memory_run(4 * file->size + MAX_TEXT_BYTES, texts_work, &work);
  if (!error && !keep_texts(file, &work.state.info_png)) error = PNG_MEMORY_FAILED;
  png_memory_end();
  if (error == TOO_MANY_TEXTS)
    return fail(EXIT_FAILED, "%s: has more than %d texts, so it is not a file of dit", path, MAX_TEXT_COUNT);
  return error ? fail_to_decode(path, error) : EXIT_OK;
}

void png_free(png_file *file) {
  for (int i = 0; i < file->text_count; i++) free(file->keys[i]), free(file->values[i]);
  free(file->keys);
  free(file->values);
  free(file->bytes);
  sheet_free(&file->picture);
  memset(file, 0, sizeof *file);
}
