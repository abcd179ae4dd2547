/* Streams of standard normal numbers, by generator (DIT_GENERATOR_*). */
#include "lib/core/numerics.h"

#include "lib/sampling/rng.h"
#include "lib/sampling/rng_philox.h"
#include "lib/sampling/rng_torch.h"

void dit__rng_begin(dit_rng *rng, int32_t generator, uint64_t seed) {
  rng->generator = generator;
  rng->seed = seed;
  rng->position = 0;
  rng->has_kept = 0;
  if (generator == DIT_GENERATOR_TORCH) dit__rng_torch_begin(rng);
}

void dit__rng_call(dit_rng *rng, int64_t count, float *out) {
  switch (rng->generator) {
    case DIT_GENERATOR_TORCH: dit__rng_torch(rng, count, out); break;
    case DIT_GENERATOR_PHILOX: dit__rng_philox(rng, count, out); break;
    default: dit__normal(rng->seed, rng->position, count, out); rng->position += (uint64_t)count;
  }
}
