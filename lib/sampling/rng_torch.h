/* Normal numbers as PyTorch draws them on the CPU. */
#ifndef DIT_RNG_TORCH_H
#define DIT_RNG_TORCH_H

#include "lib/sampling/rng_state.h"

void dit__rng_torch_begin(dit_rng *rng); /* rng->seed is set */
void dit__rng_torch(dit_rng *rng, int64_t count, float *out);

#endif
