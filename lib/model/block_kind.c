/* The kinds of transformer blocks. */
#include "lib/core/numerics.h"

#include <stddef.h>

#include "lib/model/block_kind.h"

const char *const dit__block_words[] = {[DIT__BLOCK_ADALN_ZERO] = "adaln_zero",
                                        [DIT__BLOCK_ADALN] = "adaln",
                                        [DIT__BLOCK_IN_CONTEXT] = "in_context",
                                        [DIT__BLOCK_CROSS_ATTENTION] = "cross_attention",
                                        NULL};

/* The chunks of a block are shift, scale and gate before attention, and again before the MLP; or keys and values of the
 * condition's two tokens, timestep and class. */
const dit__block_traits dit__block_types[DIT__BLOCK_KINDS] = {
    [DIT__BLOCK_ADALN_ZERO] = {.modulated = 1, .gated = 1, .block_chunks = 6, .last_chunks = 2},
    [DIT__BLOCK_ADALN] = {.modulated = 1, .block_chunks = 4, .last_chunks = 2},
    [DIT__BLOCK_IN_CONTEXT] = {.context_tokens = 2, .last_chunks = 2},
    [DIT__BLOCK_CROSS_ATTENTION] = {.cross = 1, .block_chunks = 4},
};
