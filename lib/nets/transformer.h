/* Plans of passes of the transformer. */
#ifndef DIT_TRANSFORMER_H
#define DIT_TRANSFORMER_H

#include "lib/ops/plan.h"

/* A pass may skip the blocks, and add to the tokens what the blocks added at an earlier step. */
typedef enum dit__block_cache {
  DIT__CACHE_OFF,
  DIT__CACHE_STORE, /* all blocks run; what they add is stored in block_cache */
  DIT__CACHE_USE    /* no block runs; block_cache is added instead */
} dit__block_cache;

/* Returns how many tokens run through the blocks for a latent of a size. */
int64_t dit__pass_tokens(const dit__transformer *dit, int32_t height, int32_t width);

/* A pass over `batch` samples: sample s reads latent s % latents [C][height][width], and is modulated by row
 * modulation_index[s]. */
typedef struct dit__pass_request {
  int32_t batch, latents, height, width;
  const float *latent;
  const float *modulation; /* rows of dit__modulation_size */
  const int32_t *modulation_index;
  dit__block_cache cache;
  float *block_cache; /* [batch][tokens][hidden], of the same samples; not used by DIT__CACHE_OFF */
  float *out;         /* [batch][out_channels][height][width] */
} dit__pass_request;

void dit__plan_pass(dit__plan *plan, const dit__transformer *dit, const dit__pass_request *request);

#endif
