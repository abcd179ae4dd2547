/* Plans of the transformer. */
#ifndef DIT_TRANSFORMER_H
#define DIT_TRANSFORMER_H

#include "lib/ops/plan.h"

/* Numbers of one row of modulation: six chunks a block, two at the end, each `hidden` long. */
int64_t dit__modulation_size(const dit__transformer *dit);

/* A condition: the embedding of a, or (1 - mix) a + mix b. */
typedef struct dit__condition {
  int32_t a, b; /* rows of the table; b -1: none */
} dit__condition;

/* Which rows of modulation are wanted: of each of `steps` timesteps with each of `conditions`, in row
 * step * conditions + condition; or, paired, of timestep i with condition i, in row i. */
typedef struct dit__modulation_request {
  int32_t steps, conditions, paired;
  float mix;
  const double *timesteps;         /* [steps] */
  const dit__condition *condition; /* [conditions] */
} dit__modulation_request;

/* Appends the computation of these rows [..][dit__modulation_size]. The arrays are read when the plan runs. */
void dit__plan_modulation(dit__plan *plan, const dit__transformer *dit, const dit__modulation_request *rows,
                          float *modulation);

/* A pass may leave out the blocks, and add to the tokens what these added at an earlier step. */
typedef enum dit__block_cache {
  DIT__CACHE_OFF,
  DIT__CACHE_STORE, /* whole; what the blocks add goes to `kept` */
  DIT__CACHE_USE    /* without blocks; `kept` in their place */
} dit__block_cache;

/* Appends a pass over `batch` samples: sample s reads latent[s % latents] [C][height][width], modulation row rows[s],
 * and gives out [batch][out_channels][height][width]. kept: [batch][tokens][hidden], of the same samples at the step
 * that kept it; not used by DIT__CACHE_OFF. */
void dit__plan_pass(dit__plan *plan, const dit__transformer *dit, int32_t batch, int32_t latents, int32_t height,
                    int32_t width, const float *latent, const float *modulation, const int32_t *modulation_index,
                    dit__block_cache reuse, float *kept, float *out);

#endif
