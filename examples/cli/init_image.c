/* Init images and masks: from PNG files to the arrays of dit_params. */
#include "init_image.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "limits.h"
#include "message.h"
#include "png.h"

/* Converts RGBA to 4 channels (a copy), to 3 (composed over black), or to 1: a mask of Rec. 601 luma, 0 where the
 * picture is transparent. */
static void convert(const uint8_t *rgba, size_t area, int32_t channels, uint8_t *to) {
  for (size_t i = 0; i < area; i++, rgba += 4, to += channels) {
    if (channels == 1)
      to[0] = (uint8_t)(((rgba[0] * 299 + rgba[1] * 587 + rgba[2] * 114 + 500) / 1000 * rgba[3] + 127) / 255);
    for (int32_t c = 0; c < channels && channels > 1; c++) {
      to[c] = channels == 4 ? rgba[c] : (uint8_t)((rgba[c] * rgba[3] + 127) / 255);
    }
  }
}

/* Reads a picture into an array that repeats it `count` times. */
static int read_one(const char *option, const char *path, int32_t count, int32_t width, int32_t height,
                    int32_t channels, int asked, uint8_t **out, uint64_t *hash) {
  png_file file;
  size_t area = (size_t)width * (size_t)height, size = area * (size_t)channels;
  int status = png_open(path, &file);
  if (status != EXIT_OK) return status;
  if (file.width != (uint32_t)width || file.height != (uint32_t)height) {
    status = fail(EXIT_USAGE,
                  "%s %s: has %u x %u pixels, but the pictures to make have %d x %d; resize it, or set --width and "
                  "--height",
                  option, path, file.width, file.height, width, height);
  } else {
    status = limits_check_unpacking(asked, path, file.size, png_decode_bytes(&file));
    if (status == EXIT_OK) status = png_decode(path, &file);
  }
  if (status == EXIT_OK && size <= SIZE_MAX / (size_t)count) *out = (uint8_t *)malloc(size * (size_t)count);
  if (*out) {
    convert(file.picture.pixels, area, channels, *out);
    for (int32_t i = 1; i < count; i++) memcpy(*out + (size_t)i * size, *out, size);
    *hash = hash_bytes(HASH_INIT, *out, size);
  } else if (status == EXIT_OK) {
    status = fail(EXIT_FAILED, "%s %s: out of memory for %d copies", option, path, count);
  }
  png_free(&file);
  return status;
}

int init_image_read(init_image *init, const char *image, const char *mask, int32_t count, int32_t width, int32_t height,
                    int32_t channels, int asked) {
  int status = EXIT_OK;
  memset(init, 0, sizeof *init);
  if (image) status = read_one("-i", image, count, width, height, channels, asked, &init->images, &init->image_hash);
  if (mask && status == EXIT_OK)
    status = read_one("--mask", mask, count, width, height, 1, asked, &init->masks, &init->mask_hash);
  if (status != EXIT_OK) init_image_free(init);
  return status;
}

void init_image_free(init_image *init) {
  free(init->images);
  free(init->masks);
  memset(init, 0, sizeof *init);
}
