/* The numbers that belong to the timesteps that are taken. */
#ifndef DIT_SCHEDULE_H
#define DIT_SCHEDULE_H

#include "lib/sampling/timesteps.h"

dit_status dit__diffusion_check(const dit__diffusion *process, dit_error *error); /* as read from a file */

/* Writes the first `capacity` rows of a schedule, in the order in which they are taken, and returns the number of all
 * of them, or a negative status. capacity 0 only checks. spacing 0: dit__timesteps_default. */
int32_t dit__schedule(const dit__diffusion *process, int32_t steps, int32_t spacing, int32_t sampler, float eta,
                      int32_t capacity, dit_schedule_row *rows, dit_error *error);

#endif
