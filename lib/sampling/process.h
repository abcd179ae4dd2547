/* What a model was trained to do: the path from data to noise, what it predicts along it, and how it takes the time. */
#ifndef DIT_PROCESS_H
#define DIT_PROCESS_H

#include <stdint.h>

/* The path from data to noise. */
typedef enum dit__path {
  DIT__PATH_DIFFUSION =
      0,            /* x = sqrt(a) x0 + sqrt(1 - a) noise, with a from the betas of T timesteps (Ho et al. 2020) */
  DIT__PATH_LINEAR, /* x = (1 - sigma) x0 + sigma noise, sigma from 0 to 1: flow matching (Lipman et al. 2022) */
} dit__path;

/* What the network predicts. */
typedef enum dit__prediction {
  DIT__PREDICTION_EPSILON = 0,
  DIT__PREDICTION_VELOCITY, /* dx / dt with t the network's time; with two times its mean between them */
  DIT__PREDICTION_SAMPLE    /* x0 */
} dit__prediction;

/* The second time that the network takes beside the first, where a step begins. */
typedef enum dit__second_time {
  DIT__SECOND_TIME_NONE = 0,
  DIT__SECOND_TIME_END,       /* where the step ends */
  DIT__SECOND_TIME_DIFFERENCE /* the first time minus where the step ends */
} dit__second_time;

/* The process that a model was trained with, and the settings of its scheduler that sampling needs; from the keys
 * dit.path, dit.beta_schedule and so on of its file. T stands for `timesteps`. */
typedef struct dit__process {
  dit__path path;
  dit__prediction prediction;
  /* With another path than DIFFUSION: */
  int32_t data_time; /* the network's time of data, 0 or 1; that of noise is the other one */
  dit__second_time second_time;
  int32_t
      guides_passes; /* 1: the second pass of a step of Heun's is guided by its own sigma, 0: by that of the first */
  double shift;      /* sigma becomes shift * sigma / (1 + (shift - 1) * sigma) (Esser et al. 2024, equation 23) */
  /* With DIFFUSION: */
  int32_t scaled;              /* 1: the square roots of the betas rise linearly ("scaled_linear"), 0: the betas do */
  int32_t timesteps;           /* 2..DIT__MAX_TIMESTEPS */
  double beta_start, beta_end; /* at timesteps 0 and T - 1 */
  int32_t offset;              /* added to the timesteps of DIT_SPACING_LEADING (diffusers' steps_offset) */
  int32_t set_alpha_to_one;    /* for DDIM with diffusers' spacings: 1: alpha_cumprod is 1 after the last step, 0: it is
                                  that of timestep 0 (diffusers' setting of this name) */
} dit__process;

/* 1000 timesteps with linear betas from 0.0001 to 0.02: the official code's, and that of most models. */
extern const dit__process dit__process_default;

#endif
