#include "weights/convert/read/fp16.h"

#include <string.h>

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Returns value >> shift, rounded to nearest even; shift is 1 to 31. */
static uint32_t shift_even(uint32_t value, int shift) {
  uint32_t low = value & ((1u << shift) - 1), half = 1u << (shift - 1), result = value >> shift;
  return result + (low > half || (low == half && (result & 1)));
}

uint16_t half_from_float(float value) {
  uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (rest >> 13 & 0x3ff));
  if (rest >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and more, infinity included */
  if (rest >= 0x38800000) return (uint16_t)(sign | shift_even(rest - (112u << 23), 13));
  if (rest < 0x33000000) return (uint16_t)sign; /* below half of the least subnormal */
  /* A subnormal: the significand in units of 2^-24. The carry of the rounding may make it the least normal number. */
  int shift = 126 - (int)(rest >> 23);
  return (uint16_t)(sign | shift_even((rest & 0x7fffff) | 0x800000, shift));
}

uint16_t bfloat_from_float(float value) {
  uint32_t bits = bits_of(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)shift_even(bits, 16);
}

/* The same in blocks of a fixed length and without branches, which compilers turn into vector instructions. */

void half_block_from_float(const float *values, uint16_t *out) {
  for (int i = 0; i < HALF_BLOCK; i++) {
    uint32_t bits = bits_of(values[i]), rest = bits & 0x7fffffff;
    uint32_t normal = (rest - (112u << 23) + 0xfff + (rest >> 13 & 1)) >> 13;
    uint32_t tiny =
        bits_of(float_of(rest) + 0.5f) - 0x3f000000; /* near 1/2 floats are 2^-24 apart, as subnormals are */
    uint32_t half = rest < 0x38800000 ? tiny : normal;
    half = rest >= 0x477ff000 ? 0x7c00 : half;
    out[i] = (uint16_t)(half | (bits >> 16 & 0x8000));
  }
}

void half_block_to_float(const uint16_t *bits, float *out) {
  for (int i = 0; i < HALF_BLOCK; i++) {
    uint32_t magnitude = (uint32_t)(bits[i] & 0x7fff) << 13;
    uint32_t value = bits_of(float_of(magnitude) * 0x1p112f); /* exact, of subnormals too */
    value = magnitude >= 0x7c00u << 13 ? magnitude | 0x7f800000 : value;
    out[i] = float_of(value | (uint32_t)(bits[i] & 0x8000) << 16);
  }
}

void bfloat_block_from_float(const float *values, uint16_t *out) {
  for (int i = 0; i < HALF_BLOCK; i++) {
    uint32_t bits = bits_of(values[i]);
    out[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
}

float half_block_max(const float *values) {
  uint32_t most = 0;
  for (int i = 0; i < HALF_BLOCK; i++) {
    uint32_t rest = bits_of(values[i]) & 0x7fffffff;
    most = rest > most ? rest : most;
  }
  return float_of(most);
}
