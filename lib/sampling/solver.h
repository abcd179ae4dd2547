/* Solvers: how a sampler (DIT_SAMPLER_*) takes one step, from a latent at one timestep to the same latent at the next.
 *
 * A sampler is one file, solver_NAME.c, which describes itself in a dit__solver, and one row of the table in solvers.c.
 * Nothing else asks which sampler it is.
 *
 * Solvers for diffusion step from timestep to timestep with a network that predicts eps, which solver_x0.h turns into
 * x0; those for flow matching step from sigma to sigma along a velocity, which solver_flow.h finds. */
#ifndef DIT_SOLVER_H
#define DIT_SOLVER_H

#include "dit.h"
#include "lib/sampling/process.h"

/* Step `index` of a schedule of `steps` rows, of which the rows from `first` on are taken. */
typedef struct dit__solver_step {
  const dit__process *process;
  const dit_schedule_row *rows; /* [steps], the noisiest first */
  int32_t index, first, steps;
  int32_t sampler;   /* DIT_SAMPLER_*; never 0 */
  int32_t diffusers; /* 1: where they differ, follow diffusers' schedulers, 0: the official code; see timesteps.h */
  int32_t variance, clip; /* DIT_VARIANCE_*, DIT_CLIP_*; never 0 */
} dit__solver_step;

/* What a step reads and writes beside x; arrays of as many numbers. */
typedef struct dit__solver_arrays {
  const float *out;      /* what the network predicts */
  const float *variance; /* what it predicts of the variance, or NULL */
  const float *noise;    /* only if the step needs noise */
  float *pred_x0;        /* that of the step before, which becomes that of this one */
  float *memory;         /* whatever the solver wrote there a step before; NULL unless it remembers */
} dit__solver_arrays;

typedef struct dit__solver {
  dit__path path; /* which it can follow */
  /* What a schedule has to know of a sampler for diffusion (timesteps.c, schedule.c). */
  int32_t default_spacing; /* DIT_SPACING_* for timestep_spacing 0 */
  int32_t extra_section;   /* 1: LEADING and LINSPACE divide the process into N + 1 sections and leave the last one out,
                              for the last step goes on to the picture (diffusers' DPMSolverMultistepScheduler) */
  int32_t fixed_stride;    /* 1: with diffusers' spacings a step goes from t to t - trunc(T / N), whichever timestep is
                              next (diffusers' DDIMScheduler) */

  /* And of one for flow matching (schedule_flow.c). */
  int32_t passes;    /* of a step, each a row of the schedule; 0: 1. The last step takes one */
  int32_t jumps;     /* 1: each pass looks at data, wherever the step ends */
  double last_sigma; /* where the last step begins; 0: as far from the others as they are from each other */

  int32_t remembers; /* 1: it needs dit__solver_arrays.memory */

  /* Whether a step reads noise. NULL: no step does. */
  int32_t (*needs_noise)(const dit__solver_step *step);
  /* See dit__solver_take. */
  void (*take)(const dit__solver_step *step, int64_t n, float *x, const dit__solver_arrays *with);
} dit__solver;

/* ---- The solvers, each in its file ---- */

extern const dit__solver dit__solver_ddpm, dit__solver_ddim, dit__solver_dpmpp;
extern const dit__solver dit__solver_euler, dit__solver_heun, dit__solver_euler_maruyama, dit__solver_consistency;

#endif
