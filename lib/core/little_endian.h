/* Numbers in a file's bytes, which are little-endian on every machine, at any alignment.
 *
 * Whoever reads or writes numbers of more than one byte in a file does it with these functions; everything else is
 * indifferent to the order of bytes. On a little-endian machine they are plain copies. */
#ifndef DIT_LITTLE_ENDIAN_H
#define DIT_LITTLE_ENDIAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/core/compiler.h"

static inline uint16_t load_le16(const uint8_t *p) {
  uint16_t x;
  memcpy(&x, p, sizeof x);
  return DIT__BIG_ENDIAN ? (uint16_t)(x << 8 | x >> 8) : x;
}

static inline uint32_t load_le32(const uint8_t *p) {
  uint32_t x;
  memcpy(&x, p, sizeof x);
  return DIT__BIG_ENDIAN ? x << 24 | (x & 0xff00) << 8 | (x >> 8 & 0xff00) | x >> 24 : x;
}

static inline uint64_t load_le64(const uint8_t *p) {
  uint64_t x;
  if (DIT__BIG_ENDIAN) return load_le32(p) | (uint64_t)load_le32(p + 4) << 32;
  memcpy(&x, p, sizeof x);
  return x;
}

static inline float load_le_float(const uint8_t *p) {
  const uint32_t bits = load_le32(p);
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline double load_le_double(const uint8_t *p) {
  const uint64_t bits = load_le64(p);
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Copies `count` numbers of `size` bytes each, a power of two, from a file's bytes to memory or back. */
static inline void copy_le(void *to, const void *from, size_t size, size_t count) {
  if (!DIT__BIG_ENDIAN) {
    memcpy(to, from, size * count);
    return;
  }
  for (size_t i = 0; i < size * count; i++) ((uint8_t *)to)[i ^ (size - 1)] = ((const uint8_t *)from)[i];
}

#endif
