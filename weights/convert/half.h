/* The two 16-bit floating-point types, to float (exact) and back (round to nearest, ties to even; infinity beyond). */
#ifndef DIT_HALF_H
#define DIT_HALF_H

#include <stdint.h>

float half_to_float(uint16_t bits);    /* IEEE binary16 */
uint16_t half_from_float(float value); /* a NaN stays a NaN, here and below */
float bfloat_to_float(uint16_t bits);  /* bfloat16: the upper half of a float */
uint16_t bfloat_from_float(float value);

#endif
