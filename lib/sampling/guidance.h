/* Classifier-free guidance. */
#ifndef DIT_GUIDANCE_H
#define DIT_GUIDANCE_H

#include <stdint.h>

/* conditional = unconditional + scale * (conditional - unconditional), for n numbers (Ho & Salimans 2022, equation 6,
 * with scale = w + 1). It is computed in double and rounded once. */
void dit__guide(int64_t n, float scale, float *conditional, const float *unconditional);

#endif
