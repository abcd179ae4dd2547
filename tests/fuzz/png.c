#include "tests/fuzz/png.h"

#include <stdlib.h>
#include <string.h>

#include "examples/cli/lodepng/lodepng.h"
#include "tests/fuzz/target.h"

/* LodePNG gets its memory from examples/cli/png_memory.c. */
void lodepng_free(void *memory);

static uint32_t big_number(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_big_number(uint8_t *p, uint32_t value) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t adler(const uint8_t *data, size_t size) {
  uint32_t a = 1, b = 0;
  for (size_t i = 0; i < size; i++) {
    a = (a + data[i]) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

/* Makes the header and the sum of a zlib stream right; without effect if it cannot be unpacked. */
static void mend_zlib(uint8_t *data, size_t size) {
  LodePNGDecompressSettings settings = lodepng_default_decompress_settings;
  unsigned char *out = NULL;
  size_t length = 0;
  if (size < 7) return;
  data[0] = 0x78;
  data[1] = 0x01;
  settings.max_output_size = 1 << 20;
  if (!lodepng_inflate(&out, &length, data + 2, size - 6, &settings))
    put_big_number(data + size - 4, adler(out, length));
  lodepng_free(out);
}

size_t fuzz_mend_png(uint8_t *data, size_t size, size_t room) {
  static const uint8_t magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  (void)room;
  if (size < 8) return size;
  memcpy(data, magic, 8);
  for (size_t at = 8; at + 12 <= size;) {
    uint64_t length = big_number(data + at);
    if (length > size - at - 12) { /* of the last chunk before IEND, or what is left */
      length = size - at - 12;
      put_big_number(data + at, (uint32_t)length);
    }
    uint8_t *type = data + at + 4, *body = type + 4;
    const uint8_t *zero = (const uint8_t *)memchr(body, 0, (size_t)length);
    if (memcmp(type, "IDAT", 4) == 0) mend_zlib(body, (size_t)length);
    if ((memcmp(type, "zTXt", 4) == 0 || memcmp(type, "iCCP", 4) == 0) && zero) {
      const size_t begin = (size_t)(zero - body) + 2;
      if (begin < length) mend_zlib(body + begin, (size_t)length - begin);
    }
    put_big_number(body + length, fuzz_crc(type, (size_t)length + 4));
    at += 12 + (size_t)length;
  }
  return size;
}
