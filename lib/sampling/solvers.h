/* The solver of each sampler (DIT_SAMPLER_*). */
#ifndef DIT_SOLVERS_H
#define DIT_SOLVERS_H

#include "lib/sampling/solver.h"

/* The solver of a sampler, which must exist. */
const dit__solver *dit__solver_get(int32_t sampler);

/* 1 if the step reads noise, else 0. */
int32_t dit__solver_needs_noise(const dit__solver_step *step);

/* Takes a step on the n numbers of a latent x, in place. noise holds n standard normal numbers; it may be NULL if the
 * step needs none. pred_x0 receives the network's present estimate of x0, before any clipping; it must be kept from step
 * to step, since a multistep solver reads what the step before left there, and since previews show it. */
void dit__solver_take(const dit__solver_step *step, int64_t n, float *x, const dit__solver_arrays *with);

#endif
