/* diffusers' scheduler_config.json: how a pipeline samples. */
#ifndef DIT_CONVERT_SCHEDULER_H
#define DIT_CONVERT_SCHEDULER_H

#include "weights/convert/read/json.h"

typedef struct schedule {
  int sampler;                 /* DIT_SAMPLER_* */
  int spacing;                 /* DIT_SPACING_*, one of those of diffusers */
  int betas;                   /* DIT__BETAS_* */
  double beta_start, beta_end; /* of the first and the last timestep */
  int variance;                /* DIT_VARIANCE_*, of DDPM; 0: does not matter */
  int timesteps, steps_offset;
  int set_alpha_to_one, clip;
} schedule;

/* Reads a configuration of DDIMScheduler, DDPMScheduler or DPMSolverMultistepScheduler; what it leaves out is as in
 * diffusers. Fails, naming key and value, for what the library does not support. `what` names the file in messages. */
dit_status scheduler_read(const json_value *config, const char *what, schedule *out, dit_error *error);

/* Likewise, of a file, or of the scheduler_config.json in a folder. */
dit_status scheduler_open(const char *path, schedule *out, dit_error *error);

#endif
