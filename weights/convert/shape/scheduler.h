/* diffusers' scheduler_config.json: how a pipeline samples. */
#ifndef DIT_SCHEDULER_H
#define DIT_SCHEDULER_H

#include "weights/convert/read/json.h"

/* What a sampler does, in the words of the model file (docs/convert.md has the keys). */
typedef struct schedule {
  const char *sampler;       /* "ddim", "ddpm", "dpm++" */
  const char *spacing;       /* "leading", "trailing", "linspace" */
  const char *beta_schedule; /* "linear", "scaled_linear" */
  const char *variance;      /* of ddpm: "fixed_small", "fixed_large", "learned_range"; NULL: does not matter */
  double beta_start, beta_end;
  int timesteps, steps_offset;
  int set_alpha_to_one, clip;
} schedule;

/* Reads a configuration of DDIMScheduler, DDPMScheduler or DPMSolverMultistepScheduler; what it leaves out is as in
 * diffusers. UNSUPPORTED, by name, for what the library does not do. `what` names the file in messages. */
dit_status scheduler_read(const json_value *config, const char *what, schedule *out, dit_error *error);

/* Likewise of a file, or of the scheduler_config.json of a folder. */
dit_status scheduler_open(const char *path, schedule *out, dit_error *error);

#endif
