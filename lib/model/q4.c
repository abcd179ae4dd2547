/* Codes become whole numbers: two at a time, by a table. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/model/q4.h"

int8_t dit__q4_row_format(int32_t width, int32_t shape) { return (int8_t)(width + 16 * shape); }

int32_t dit__q4_bits(int8_t form) {
  const int32_t width = form & 15, shape = form >> 4;
  if (width == 8) return shape == 0 ? width : 0;
  return width >= 4 && width <= 6 && shape >= 0 && shape < DIT__Q4_CODEBOOKS ? width : 0;
}

uint64_t dit__q4_sum_bits(const int8_t *forms, uint64_t rows) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < rows; i++) {
    const int32_t width = dit__q4_bits(forms[i]);
    if (!width) return 0;
    sum += (uint64_t)width;
  }
  return sum;
}

void dit__q4_row_offsets(const int8_t *forms, uint64_t rows, uint64_t k, uint32_t *starts) {
  starts[0] = 0;
  for (uint64_t i = 0; i < rows; i++) starts[i + 1] = starts[i] + (uint32_t)(k / 8) * (uint32_t)dit__q4_bits(forms[i]);
}

/* 127 ((1 - a) u + a u^3) with u = (2 code + 1) / 2^width - 1 and a = shape / 4, rounded, halves away from zero. */
int32_t dit__q4_value(int32_t width, int32_t shape, int32_t code) {
  const int32_t size = 1 << width, n = 2 * code + 1 - size, above = n < 0 ? -n : n;
  const int32_t parts = 127 * above * ((4 - shape) * size * size + shape * n * n), whole = 4 * size * size * size;
  const int32_t value = (2 * parts + whole) / (2 * whole);
  return n < 0 ? -value : value;
}

/* Where the pairs of a form begin. */
static size_t q4_place(int32_t width, int32_t shape) {
  const size_t before = width == 4 ? 0 : width == 5 ? 1 << 8 : (1 << 8) + (1 << 10);
  return (size_t)shape * (DIT__Q4_TABLE_SIZE / DIT__Q4_CODEBOOKS) + before;
}

void dit__q4_decode_table(uint16_t *pairs) {
  for (int32_t shape = 0; shape < DIT__Q4_CODEBOOKS; shape++)
    for (int32_t width = 4; width <= 6; width++) {
      int8_t value[64];
      uint16_t *to = pairs + q4_place(width, shape);
      for (int32_t code = 0; code < 1 << width; code++) value[code] = (int8_t)dit__q4_value(width, shape, code);
      for (int32_t pair = 0; pair < 1 << (2 * width); pair++) {
        const int8_t both[2] = {value[pair & ((1 << width) - 1)], value[pair >> width]};
        memcpy(&to[pair], both, sizeof both);
      }
    }
}

/* k numbers, eight in `width` bytes; the first is in the lowest bits. */
static inline void q4_unpack(const uint16_t *pairs, const uint8_t *from, int32_t k, int8_t *to, const int width) {
  const uint64_t mask = (1u << (2 * width)) - 1;
  for (int32_t i = 0; i < k; i += 8, from += width, to += 8) {
    uint64_t word = 0;
    memcpy(&word, from, (size_t)width);
    for (int j = 0; j < 4; j++, word >>= 2 * width) memcpy(to + 2 * j, &pairs[word & mask], 2);
  }
}

void dit__q4_rows(const dit__weights *w, int32_t first, int32_t count, int8_t *to) {
  for (int32_t row = first; row < first + count; row++, to += w->k) {
    const int8_t form = w->q4->forms[row];
    const uint8_t *from = w->data + w->q4->starts[row];
    const int32_t width = dit__q4_bits(form);
    const uint16_t *pairs = width == 8 ? NULL : w->q4->pairs + q4_place(width, form >> 4);
    switch (width) {
      case 4: q4_unpack(pairs, from, w->k, to, 4); break;
      case 5: q4_unpack(pairs, from, w->k, to, 5); break;
      case 6: q4_unpack(pairs, from, w->k, to, 6); break;
      default: memcpy(to, from, (size_t)w->k);
    }
  }
}
