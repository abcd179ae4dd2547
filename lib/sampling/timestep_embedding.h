/* The sinusoidal embedding of timesteps. */
#ifndef DIT_TIMESTEP_EMBEDDING_H
#define DIT_TIMESTEP_EMBEDDING_H

#include <stdint.h>

enum { DIT__TIMESTEP_CHANNELS = 256 };

/* out [256]: cos(t f_j), then sin(t f_j), f_j = exp(-ln(10000) j / divisor), j = 0..127 (Peebles & Xie 2022, models.py,
 * TimestepEmbedder). divisor: 128, or 127 as diffusers has it (its downscale_freq_shift is 1). */
void dit__timestep_embedding(double t, int32_t divisor, double *out);

#endif
