/* Plans of the modulation of a transformer, which depends on timestep and class alone. */
#ifndef DIT_CONDITIONING_H
#define DIT_CONDITIONING_H

#include "lib/ops/plan.h"

enum { DIT__FINAL_CHUNKS = 2 }; /* of the modulation of the final layer, `hidden` numbers each */

/* Returns the chunk with which the modulation of block `index` begins; of block `depth`, that of the final layer. */
int64_t dit__modulation_chunk(const dit__transformer *dit, int32_t index);

/* Numbers in one row of modulation: the chunks of all blocks, and those of the final layer. */
int64_t dit__modulation_size(const dit__transformer *dit);

/* Appends the computation of the requested rows [..][dit__modulation_size]. The request and its arrays are read when the
 * plan runs. */
void dit__plan_modulation(dit__plan *plan, const dit__transformer *dit, const dit__modulation_request *request,
                          float *modulation);

#endif
