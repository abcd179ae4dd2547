/* Solvers: how a sampler (DIT_SAMPLER_*) takes one step, from a latent at one timestep to the same latent at the next.
 *
 * A sampler is one file, solver_NAME.c, which describes itself in a dit__solver, and one row of the table in solvers.c.
 * Nothing else asks which sampler it is.
 *
 * Today's solvers step along a diffusion process (dit_schedule_row, schedule.c) with a network that predicts eps, which
 * solver_x0.h turns into x0. A family with another path, such as flow matching along its sigmas, brings rows of its own
 * to dit__solver_step; a network with another prediction, such as v or a velocity, another way to x0. */
#ifndef DIT_SOLVER_H
#define DIT_SOLVER_H

#include "dit.h"

/* Step `index` of a schedule of `steps` rows, of which the rows from `first` on are taken. */
typedef struct dit__solver_step {
  const dit_schedule_row *rows; /* [steps], the noisiest first */
  int32_t index, first, steps;
  int32_t sampler;   /* DIT_SAMPLER_*; never 0 */
  int32_t diffusers; /* 1: where they differ, follow diffusers' schedulers, 0: the official code; see timesteps.h */
  int32_t variance, clip; /* DIT_VARIANCE_*, DIT_CLIP_*; never 0 */
} dit__solver_step;

typedef struct dit__solver {
  /* What a schedule has to know of a sampler (timesteps.c, schedule.c). */
  int32_t default_spacing; /* DIT_SPACING_* for timestep_spacing 0 */
  int32_t extra_section;   /* 1: LEADING and LINSPACE divide the process into N + 1 sections and leave the last one out,
                              for the last step goes on to the picture (diffusers' DPMSolverMultistepScheduler) */
  int32_t fixed_stride;    /* 1: with diffusers' spacings a step goes from t to t - trunc(T / N), whichever timestep is
                              next (diffusers' DDIMScheduler) */

  /* Whether a step reads noise. NULL: no step does. */
  int32_t (*needs_noise)(const dit__solver_step *step);
  /* See dit__solver_take. */
  void (*take)(const dit__solver_step *step, int64_t n, float *x, const float *eps, const float *v, const float *noise,
               float *pred_x0);
} dit__solver;

/* ---- The solvers, each in its file ---- */

extern const dit__solver dit__solver_ddpm, dit__solver_ddim, dit__solver_dpmpp;

#endif
