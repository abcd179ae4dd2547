/* Brings matrices that some families store in another order into that of the model file. */
#ifndef DIT_CONVERT_REARRANGE_H
#define DIT_CONVERT_REARRANGE_H

#include "weights/convert/shape/layout.h"

/* In all blocks: splits w12, the first two layers of SwiGLU, into gate and fc1, and renames the third one, w3, to fc2; and
 * orders the channels of queries and keys that a rotation turns, and their norms, such that those of a pair lie half a
 * head apart (docs/numerics.md) instead of side by side. Errors: MEMORY, FORMAT (a tensor has another shape). */
dit_status rearrange_blocks(checkpoint *s, const transformer_geometry *g, dit_error *error);

#endif
