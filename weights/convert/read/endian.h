/* Little-endian integers in a file's bytes, at any alignment. */
#ifndef DIT_CONVERT_ENDIAN_H
#define DIT_CONVERT_ENDIAN_H

#include <stdint.h>

static inline uint16_t load_le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static inline uint32_t load_le32(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t load_le64(const uint8_t *p) { return load_le32(p) | (uint64_t)load_le32(p + 4) << 32; }

#endif
