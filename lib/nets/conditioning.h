/* Plans of what depends on timestep and class alone: modulation, or the condition as tokens, or keys and values of
 * those. All of it is called modulation here; a row of it consists of the chunks of dit__block_traits. */
#ifndef DIT_CONDITIONING_H
#define DIT_CONDITIONING_H

#include "lib/ops/plan.h"

enum { DIT__CONDITION_TOKENS = 2 }; /* timestep and class */

/* Returns the first chunk of block `index`; of block `depth`, the first chunk behind the blocks. */
int64_t dit__modulation_chunk(const dit__transformer *dit, int32_t index);

/* Returns the first chunk that the tokens of the condition are made of. */
int64_t dit__context_chunk(const dit__transformer *dit);

/* Returns how many numbers a row of modulation has. */
int64_t dit__modulation_size(const dit__transformer *dit);

/* Appends the computation of the requested rows [..][dit__modulation_size]. The request and its arrays are read when the
 * plan runs. */
void dit__plan_modulation(dit__plan *plan, const dit__transformer *dit, const dit__modulation_request *request,
                          float *modulation);

#endif
