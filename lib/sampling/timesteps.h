/* Which timesteps of a diffusion process are taken. */
#ifndef DIT_TIMESTEPS_H
#define DIT_TIMESTEPS_H

#include "dit.h"

/* The noise that a model was trained with, and how diffusers' spacings end; from the keys dit.beta_schedule .. of its
 * file. */
typedef struct dit__diffusion {
  int32_t scaled;              /* 1: the roots of the betas rise evenly, 0: the betas */
  int32_t timesteps;           /* 2..DIT__MAX_TIMESTEPS */
  double beta_start, beta_end; /* of the first and last timestep */
  int32_t offset;              /* of the timesteps of DIT_SPACING_LEADING (steps_offset) */
  int32_t set_alpha_to_one;    /* DDIM with diffusers' spacings: 1: alpha_cumprod after the last step is 1, 0: that of
                                  timestep 0 (set_alpha_to_one) */
} dit__diffusion;

enum { DIT__MAX_STEPS = 1000, DIT__MAX_TIMESTEPS = 10000 };

extern const dit__diffusion
    dit__diffusion_default; /* 1000 timesteps, linear betas 0.0001 to 0.02: official, and usual */

int32_t dit__timesteps_diffusers(int32_t spacing); /* 1: the schedule and steps are those of diffusers */
/* What spacing 0 becomes: DDIM where DDIM has a whole stride, LINSPACE for DPM-Solver++, else EVEN. */
int32_t dit__timesteps_default(const dit__diffusion *process, int32_t steps, int32_t spacing, int32_t sampler);
dit_status dit__timesteps_check(const dit__diffusion *process, int32_t steps, int32_t spacing, int32_t sampler,
                                dit_error *error);
/* The timesteps, upwards; spacing is not 0 and was checked. */
void dit__timesteps_list(const dit__diffusion *process, int32_t steps, int32_t spacing, int32_t sampler, int32_t *kept);

#endif
