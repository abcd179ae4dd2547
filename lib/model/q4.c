/* Decoding of q4 rows, two codes at a time through a table. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/little_endian.h"
#include "lib/model/q4.h"

int8_t dit__q4_row_format(int32_t bits, int32_t codebook) { return (int8_t)(bits + 16 * codebook); }

static int32_t q4_codebook(int8_t row_format) { return row_format >> 4; }

int32_t dit__q4_bits(int8_t row_format) {
  const int32_t bits = row_format & 15, codebook = q4_codebook(row_format);
  if (bits == 8) return codebook == 0 ? bits : 0;
  return bits >= 4 && bits <= 6 && codebook >= 0 && codebook < DIT__Q4_CODEBOOKS ? bits : 0;
}

uint64_t dit__q4_sum_bits(const int8_t *row_formats, uint64_t rows) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < rows; i++) {
    const int32_t bits = dit__q4_bits(row_formats[i]);
    if (!bits) return 0;
    sum += (uint64_t)bits;
  }
  return sum;
}

void dit__q4_row_offsets(const int8_t *row_formats, uint64_t rows, uint64_t k, uint32_t *row_offsets) {
  row_offsets[0] = 0;
  for (uint64_t i = 0; i < rows; i++)
    row_offsets[i + 1] = row_offsets[i] + (uint32_t)(k / 8) * (uint32_t)dit__q4_bits(row_formats[i]);
}

/* 127 ((1 - a) u + a u^3) with u = (2 code + 1) / 2^bits - 1 and a = codebook / 4, rounded, halves away from zero. */
int32_t dit__q4_value(int32_t bits, int32_t codebook, int32_t code) {
  const int32_t size = 1 << bits, n = 2 * code + 1 - size, magnitude = n < 0 ? -n : n;
  const int32_t numerator = 127 * magnitude * ((4 - codebook) * size * size + codebook * n * n);
  const int32_t denominator = 4 * size * size * size;
  const int32_t value = (2 * numerator + denominator) / (2 * denominator);
  return n < 0 ? -value : value;
}

/* Returns the index of the first entry of a format in the decode table. */
static size_t q4_table_offset(int32_t bits, int32_t codebook) {
  const size_t before = bits == 4 ? 0 : bits == 5 ? 1 << 8 : (1 << 8) + (1 << 10);
  return (size_t)codebook * (DIT__Q4_TABLE_SIZE / DIT__Q4_CODEBOOKS) + before;
}

void dit__q4_decode_table(uint16_t *table) {
  for (int32_t codebook = 0; codebook < DIT__Q4_CODEBOOKS; codebook++)
    for (int32_t bits = 4; bits <= 6; bits++) {
      int8_t value[64];
      uint16_t *to = table + q4_table_offset(bits, codebook);
      for (int32_t code = 0; code < 1 << bits; code++) value[code] = (int8_t)dit__q4_value(bits, codebook, code);
      for (int32_t pair = 0; pair < 1 << (2 * bits); pair++) {
        const int8_t both[2] = {value[pair & ((1 << bits) - 1)], value[pair >> bits]};
        memcpy(&to[pair], both, sizeof both);
      }
    }
}

/* Decodes k codes, of which eight are packed into `bits` bytes, the first in the lowest bits. */
static inline void q4_unpack(const uint16_t *table, const uint8_t *from, int32_t k, int8_t *to, const int bits) {
  const uint64_t mask = (1u << (2 * bits)) - 1;
  for (int32_t i = 0; i < k; i += 8, from += bits, to += 8) {
    uint8_t bytes[8] = {0};
    memcpy(bytes, from, (size_t)bits);
    uint64_t word = load_le64(bytes);
    for (int j = 0; j < 4; j++, word >>= 2 * bits) memcpy(to + 2 * j, &table[word & mask], 2);
  }
}

/* Bits come from the offsets, which are our own: the file may have been changed since it was checked. */
void dit__q4_rows(const dit__weights *w, int32_t first, int32_t count, int8_t *to) {
  const uint32_t *offsets = w->q4->row_offsets;
  for (int32_t row = first; row < first + count; row++, to += w->k) {
    const uint8_t *from = w->data + offsets[row];
    const int32_t bits = (int32_t)(offsets[row + 1] - offsets[row]) / (w->k / 8);
    const int32_t codebook = q4_codebook(w->q4->row_formats[row]) & (DIT__Q4_CODEBOOKS - 1);
    const uint16_t *table = bits == 8 ? NULL : w->q4->decode_table + q4_table_offset(bits, codebook);
    switch (bits) {
      case 4: q4_unpack(table, from, w->k, to, 4); break;
      case 5: q4_unpack(table, from, w->k, to, 5); break;
      case 6: q4_unpack(table, from, w->k, to, 6); break;
      default: memcpy(to, from, (size_t)w->k);
    }
  }
}
