/* The tensors of a network, found in a checkpoint. */
#ifndef DIT_CONVERT_MATCH_H
#define DIT_CONVERT_MATCH_H

#include "weights/convert/read/checkpoint.h"
#include "weights/convert/shape/layout.h"

/* Finds the tensors expected[0..count-1] of one network in a checkpoint. found[i] is NULL only for
 * pos_embed, which can be computed, and for biases whose names begin with no_bias (NULL: none), which are zero.
 * Fails if any other is missing, has the wrong shape, or is not expected; `report` then names up to ten of them, one on
 * a line. */
dit_status match_tensors(const dit__tensor *expected, size_t count, const checkpoint *s, const char *no_bias,
                         const checkpoint_tensor **found, char *report, size_t room, dit_error *error);

#endif
