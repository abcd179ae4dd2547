/* One step of a sampler. */
#ifndef DIT_SOLVERS_H
#define DIT_SOLVERS_H

#include "dit.h"

/* The step of rows[index] of a schedule of `steps` rows, of which those from `first` are taken. sampler, spacing,
 * variance and clip are never 0. */
typedef struct dit__solver_step {
  const dit_schedule_row *rows;
  int32_t index, first, steps;
  int32_t sampler, spacing, variance, clip;
} dit__solver_step;

int32_t dit__solver_needs_noise(const dit__solver_step *step); /* whether it reads noise */

/* Takes it on the n numbers of a latent, in place. eps and v: the network's output (v NULL without a learned variance);
 * noise: normal numbers (NULL if they are not needed); clean: what the network takes the picture to be, kept from step
 * to step, for DPM-Solver++ and for previews. */
void dit__solver_take(const dit__solver_step *step, int64_t n, float *x, const float *eps, const float *v,
                      const float *noise, float *clean);

#endif
