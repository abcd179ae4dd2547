/* The sinusoidal embedding of timesteps. */
#include "lib/core/numerics.h"

#include "lib/core/elementary.h"
#include "lib/sampling/timestep_embedding.h"

void dit__timestep_embedding(double t, int32_t divisor, double *out) {
  enum { HALF = DIT__TIMESTEP_CHANNELS / 2 };
  for (int j = 0; j < HALF; j++) dit__sincos(t * dit__exp(-9.210340371976184 * j / divisor), &out[HALF + j], &out[j]);
}
