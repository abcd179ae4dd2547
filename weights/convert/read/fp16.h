/* The two 16-bit floating-point types, to float (exact) and back (round to nearest, ties to even; infinity beyond). */
#ifndef DIT_HALF_H
#define DIT_HALF_H

#include <stdint.h>

float half_to_float(uint16_t bits);    /* IEEE binary16 */
uint16_t half_from_float(float value); /* a NaN stays a NaN, here and below */
float bfloat_to_float(uint16_t bits);  /* bfloat16: the upper half of a float */
uint16_t bfloat_from_float(float value);

/* The same for HALF_BLOCK numbers. Those that become bfloat16 must be finite. */
enum { HALF_BLOCK = 256 };
void half_block_from_float(const float *values, uint16_t *out);
void half_block_to_float(const uint16_t *bits, float *out);
void bfloat_block_from_float(const float *values, uint16_t *out);
float half_block_most(const float *values); /* the largest absolute value; infinity or a NaN if one is there */

#endif
