#include <math.h>
#include <string.h>

#include "tests/fuzz/target.h"

uint32_t fuzz_crc(const uint8_t *data, size_t size) {
  static uint32_t table[256];
  if (!table[1])
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t c = i;
      for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
      table[i] = c;
    }
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < size; i++) crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
  return ~crc;
}

uint64_t fuzz_number(const uint8_t *p, int bytes) {
  uint64_t value = 0;
  for (int i = bytes; i-- > 0;) value = value << 8 | p[i];
  return value;
}

void fuzz_put_number(uint8_t *p, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++, value >>= 8) p[i] = (uint8_t)value;
}

static uint64_t take(fuzz_choices *c, size_t bytes) {
  uint64_t value = 0;
  const size_t n = bytes < c->left ? bytes : c->left;
  memcpy(&value, c->at, n);
  c->at += n;
  c->left -= n;
  return value;
}

uint64_t fuzz_choose(fuzz_choices *c, uint64_t count) { return take(c, count <= 256 ? 1 : 4) % count; }

int32_t fuzz_integer(fuzz_choices *c, int32_t low, int32_t high) {
  const uint64_t kind = fuzz_choose(c, 16), width = (uint64_t)((int64_t)high - low) + 1;
  switch (kind) {
    case 0: return (int32_t)(uint32_t)take(c, 4);
    case 1: return low > INT32_MIN ? low - 1 : low;
    case 2: return high < INT32_MAX ? high + 1 : high;
    case 3: return 0;
    default: return (int32_t)(low + (int64_t)fuzz_choose(c, width));
  }
}

float fuzz_real(fuzz_choices *c, float low, float high) {
  const uint32_t bits = (uint32_t)take(c, 4);
  float value;
  switch (fuzz_choose(c, 16)) {
    case 0: memcpy(&value, &bits, sizeof value); return value;
    case 1: return (float)NAN;
    case 2: return (float)INFINITY;
    case 3: return low;
    case 4: return high;
    case 5: return 0;
    default: return low + (high - low) * ((float)(bits & 0xffff) / 65535.0f);
  }
}
