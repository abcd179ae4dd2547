/* The two 16-bit floating-point types as float, which holds every value of both. */
#ifndef DIT_FP16_H
#define DIT_FP16_H

#include <stdint.h>
#include <string.h>

/* IEEE binary16 */
static inline float dit__float_from_half(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
  uint32_t bits = sign | (exponent + 112) << 23 | fraction << 13;
  float value;
  if (exponent == 31) bits = sign | 0x7f800000 | fraction << 13;
  if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 */
    value = (float)fraction * 0x1p-24f;
    return sign ? -value : value;
  }
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* bfloat16, the upper half of a float */
static inline float dit__float_from_bfloat(uint16_t bfloat) {
  const uint32_t bits = (uint32_t)bfloat << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#endif
