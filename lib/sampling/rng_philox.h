/* Normal numbers from Philox4x32-10. */
#ifndef DIT_RNG_PHILOX_H
#define DIT_RNG_PHILOX_H

#include "lib/sampling/rng_state.h"

/* Numbers first..first+count-1 of the stream of `seed` of DIT_GENERATOR_DIT, which has no state. */
void dit__normal(uint64_t seed, uint64_t first, int64_t count, float *out);

/* One block of Philox4x32-10. */
void dit__philox(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]);

/* Two normal numbers from two uniform ones, 0 < u <= 1 and 0 <= v <= 1: cosine and sine of rng_philox.c. */
void dit__box_muller(double u, double v, double pair[2]);

/* One call of DIT_GENERATOR_PHILOX. */
void dit__rng_philox(dit_rng *rng, int64_t count, float *out);

#endif
