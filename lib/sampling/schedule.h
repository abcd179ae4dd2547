/* The coefficients of the timesteps that are taken. */
#ifndef DIT_SCHEDULE_H
#define DIT_SCHEDULE_H

#include "lib/sampling/timesteps.h"

/* Whether the betas of a process that was read from a file are usable. Errors: FORMAT; the message names the keys. */
dit_status dit__diffusion_check(const dit__diffusion *diffusion, dit_error *error);

/* Writes the first `capacity` rows of a schedule, the noisiest step first, and returns the number of all rows, or a
 * negative status. With capacity 0 it only checks, and rows may be NULL. spacing may be 0 (dit__timesteps_default),
 * sampler must exist. Errors: ARGUMENT. */
int32_t dit__schedule(const dit__diffusion *diffusion, int32_t steps, int32_t spacing, int32_t sampler, float eta,
                      int32_t capacity, dit_schedule_row *rows, dit_error *error);

#endif
