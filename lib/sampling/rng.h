/* Streams of standard normal numbers. */
#ifndef DIT_RNG_H
#define DIT_RNG_H

#include "lib/sampling/rng_state.h"

void dit__rng_begin(dit_rng *rng, int32_t generator, uint64_t seed);

/* The next `count` numbers. With TORCH and PHILOX one call stands for one call of torch.randn. */
void dit__rng_call(dit_rng *rng, int64_t count, float *out);

#endif
