/* Which timesteps of a diffusion process are taken. */
#ifndef DIT_TIMESTEPS_H
#define DIT_TIMESTEPS_H

#include "dit.h"
#include "lib/sampling/process.h"

enum { DIT__MAX_STEPS = 1000, DIT__MAX_TIMESTEPS = 10000 };

/* Whose rules a spacing brings with it. 1: those of diffusers' schedulers, for which the timesteps that are taken
 * remain points of the whole process. 0 (also for spacing 0): those of the official code, which makes the timesteps
 * that are taken a shorter process of its own (Nichol & Dhariwal 2021, section 4). */
int32_t dit__timesteps_diffusers(int32_t spacing);

/* The spacing that a job takes: `spacing` unless it is 0, else the sampler's default, but EVEN instead of DDIM if no
 * integer stride gives this number of steps. */
int32_t dit__timesteps_default(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler);

/* Whether a spacing (0: the default) has this number of steps for a sampler. Errors: ARGUMENT. */
dit_status dit__timesteps_check(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler,
                                dit_error *error);

/* Writes the `steps` timesteps, in ascending order. spacing must not be 0, and must have passed the check. */
void dit__timesteps_list(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler,
                         int32_t *timesteps);

#endif
