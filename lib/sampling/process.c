/* The process of most models. */
#include "lib/core/numerics.h"

#include "lib/sampling/process.h"

const dit__process dit__process_default = {
    .shift = 1, .timesteps = 1000, .beta_start = 0.0001, .beta_end = 0.02, .set_alpha_to_one = 1};
