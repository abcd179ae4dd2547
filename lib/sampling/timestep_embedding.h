/* The sinusoidal embedding of timesteps. */
#ifndef DIT_TIMESTEP_EMBEDDING_H
#define DIT_TIMESTEP_EMBEDDING_H

#include <stdint.h>

enum { DIT__TIMESTEP_CHANNELS = 256 };

/* Writes out [256]: cos(t f_j) for j = 0..127, then sin(t f_j), with f_j = exp(-ln(10000) j / divisor) (Peebles & Xie
 * 2022, models.py, TimestepEmbedder). divisor is 128, or 127 for models of diffusers (downscale_freq_shift = 1). */
void dit__timestep_embedding(double t, int32_t divisor, double *out);

#endif
