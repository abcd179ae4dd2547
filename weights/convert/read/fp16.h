/* Floats as 16-bit types, rounded to the nearest (ties to even; infinity beyond the largest), and whole blocks of them.
 * The way back, one number at a time, is in lib/core/fp16.h. */
#ifndef DIT_CONVERT_FP16_H
#define DIT_CONVERT_FP16_H

#include <stdint.h>

uint16_t half_from_float(float value); /* IEEE binary16; a NaN stays a NaN, here and below */
uint16_t bfloat_from_float(float value);

/* The same for HALF_BLOCK numbers at a time. Numbers that become bfloat16 must be finite. */
enum { HALF_BLOCK = 256 };
void half_block_from_float(const float *values, uint16_t *out);
void half_block_to_float(const uint16_t *bits, float *out);
void bfloat_block_from_float(const float *values, uint16_t *out);
float half_block_max(const float *values); /* the largest absolute value; infinity or a NaN if one is there */

#endif
