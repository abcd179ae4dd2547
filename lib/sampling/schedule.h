/* The coefficients of the timesteps that are taken. */
#ifndef DIT_SCHEDULE_H
#define DIT_SCHEDULE_H

#include "lib/sampling/timesteps.h"

/* Whether the betas of a process that was read from a file are usable. Errors: FORMAT; the message names the keys. */
dit_status dit__process_check(const dit__process *process, dit_error *error);

/* Checks that a sampler can follow a process. Errors: ARGUMENT. */
dit_status dit__schedule_check_sampler(const dit__process *process, int32_t sampler, dit_error *error);

/* Writes the first `capacity` rows of a schedule, the noisiest step first, and returns the number of all rows, or a
 * negative status. With capacity 0 it only checks, and rows may be NULL. spacing may be 0 (dit__timesteps_default),
 * sampler must exist. Errors: ARGUMENT. */
int32_t dit__schedule(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler, float eta,
                      int32_t capacity, dit_schedule_row *rows, dit_error *error);

/* Returns where a row is on the way from noise, 0, to data, 1: the middle of its share of the rows, or 1 - sigma where
 * its step begins (or with guides_passes, where the pass looks). */
double dit__schedule_position(const dit__process *process, int32_t steps, int32_t sampler, int32_t row);

/* How much of the data and of the noise x consists of, where a row begins (end 0) or ends (1). */
typedef struct dit__mixture {
  double data, noise;
} dit__mixture;

dit__mixture dit__schedule_mixture(const dit__process *process, const dit_schedule_row *row, int32_t end);

#endif
