/* Start pictures and masks: from PNG files to what the library takes. */
#include "start.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "message.h"
#include "png.h"

/* From RGBA: the same; RGB, over black; or a mask, in which transparent pixels are kept. */
static void convert(const uint8_t *rgba, size_t area, int32_t channels, uint8_t *to) {
  for (size_t i = 0; i < area; i++, rgba += 4, to += channels) {
    if (channels == 1)
      to[0] = (uint8_t)(((rgba[0] * 299 + rgba[1] * 587 + rgba[2] * 114 + 500) / 1000 * rgba[3] + 127) / 255);
    for (int32_t c = 0; c < channels && channels > 1; c++) {
      to[c] = channels == 4 ? rgba[c] : (uint8_t)((rgba[c] * rgba[3] + 127) / 255);
    }
  }
}

/* One picture, repeated `count` times, and the hash of one. */
static int read_one(const char *option, const char *path, int32_t count, int32_t width, int32_t height,
                    int32_t channels, uint8_t **out, uint64_t *hash) {
  png_file file;
  size_t area = (size_t)width * (size_t)height, size = area * (size_t)channels;
  int status = png_read(path, &file);
  if (status != EXIT_OK) return status;
  if (file.picture.width != width || file.picture.height != height) {
    status =
        fail(EXIT_USAGE, "%s %s: it has %d x %d pixels, but %d x %d are made; scale it, or see --width and --height",
             option, path, file.picture.width, file.picture.height, width, height);
  } else if (size <= SIZE_MAX / (size_t)count) {
    *out = (uint8_t *)malloc(size * (size_t)count);
  }
  if (*out) {
    convert(file.picture.pixels, area, channels, *out);
    for (int32_t i = 1; i < count; i++) memcpy(*out + (size_t)i * size, *out, size);
    *hash = hash_bytes(HASH_BEGIN, *out, size);
  } else if (status == EXIT_OK) {
    status = fail(EXIT_FAILED, "out of memory for %d start pictures", count);
  }
  png_free(&file);
  return status;
}

int start_read(start_pictures *s, const char *image, const char *mask, int32_t count, int32_t width, int32_t height,
               int32_t channels) {
  int status = EXIT_OK;
  memset(s, 0, sizeof *s);
  if (image) status = read_one("-i", image, count, width, height, channels, &s->images, &s->image_hash);
  if (mask && status == EXIT_OK) status = read_one("--mask", mask, count, width, height, 1, &s->masks, &s->mask_hash);
  if (status != EXIT_OK) start_free(s);
  return status;
}

void start_free(start_pictures *s) {
  free(s->images);
  free(s->masks);
  memset(s, 0, sizeof *s);
}
