/* Which timesteps of a diffusion process are taken. */
#ifndef DIT_TIMESTEPS_H
#define DIT_TIMESTEPS_H

#include "dit.h"

/* The diffusion process that a model was trained with, and the settings of its scheduler that sampling needs; from the
 * keys dit.beta_schedule and so on of its file. T stands for `timesteps`. */
typedef struct dit__diffusion {
  int32_t scaled;              /* 1: the square roots of the betas rise linearly ("scaled_linear"), 0: the betas do */
  int32_t timesteps;           /* 2..DIT__MAX_TIMESTEPS */
  double beta_start, beta_end; /* at timesteps 0 and T - 1 */
  int32_t offset;              /* added to the timesteps of DIT_SPACING_LEADING (diffusers' steps_offset) */
  int32_t set_alpha_to_one;    /* for DDIM with diffusers' spacings: 1: alpha_cumprod is 1 after the last step, 0: it is
                                  that of timestep 0 (diffusers' setting of this name) */
} dit__diffusion;

enum { DIT__MAX_STEPS = 1000, DIT__MAX_TIMESTEPS = 10000 };

/* 1000 timesteps with linear betas from 0.0001 to 0.02: the official code's, and that of most models. */
extern const dit__diffusion dit__diffusion_default;

/* Whose rules a spacing brings with it. 1: those of diffusers' schedulers, for which the timesteps that are taken
 * remain points of the whole process. 0 (also for spacing 0): those of the official code, which makes the timesteps
 * that are taken a shorter process of its own (Nichol & Dhariwal 2021, section 4). */
int32_t dit__timesteps_diffusers(int32_t spacing);

/* The spacing that a job takes: `spacing` unless it is 0, else the sampler's default, but EVEN instead of DDIM if no
 * integer stride gives this number of steps. */
int32_t dit__timesteps_default(const dit__diffusion *diffusion, int32_t steps, int32_t spacing, int32_t sampler);

/* Whether a spacing (0: the default) has this number of steps for a sampler. Errors: ARGUMENT. */
dit_status dit__timesteps_check(const dit__diffusion *diffusion, int32_t steps, int32_t spacing, int32_t sampler,
                                dit_error *error);

/* Writes the `steps` timesteps, in ascending order. spacing must not be 0, and must have passed the check. */
void dit__timesteps_list(const dit__diffusion *diffusion, int32_t steps, int32_t spacing, int32_t sampler,
                         int32_t *timesteps);

#endif
