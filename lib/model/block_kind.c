/* The kinds of transformer blocks. */
#include "lib/core/numerics.h"

#include <stddef.h>

#include "lib/model/block_kind.h"

const char *const dit__block_words[] = {[DIT__BLOCK_ADALN_ZERO] = "adaln_zero",
                                        [DIT__BLOCK_ADALN] = "adaln",
                                        [DIT__BLOCK_IN_CONTEXT] = "in_context",
                                        [DIT__BLOCK_CROSS_ATTENTION] = "cross_attention",
                                        NULL};

const char *const dit__norm_words[] = {[DIT__NORM_LAYER] = "layer", [DIT__NORM_RMS] = "rms", NULL};
const char *const dit__mlp_words[] = {[DIT__MLP_GELU] = "gelu", [DIT__MLP_SWIGLU] = "swiglu", NULL};
const char *const dit__qk_norm_words[] = {
    [DIT__QK_NORM_NONE] = "none", [DIT__QK_NORM_LAYER] = "layer", [DIT__QK_NORM_RMS] = "rms", NULL};
const char *const dit__rope_words[] = {[DIT__ROPE_NONE] = "none", [DIT__ROPE_1D] = "1d", [DIT__ROPE_2D] = "2d", NULL};

/* The chunks of a block are shift, scale and gate before attention, and again before the MLP; or keys and values of the
 * condition's two tokens, timestep and class. */
const dit__block_traits dit__block_types[DIT__BLOCK_KINDS] = {
    [DIT__BLOCK_ADALN_ZERO] = {.modulated = 1, .gated = 1, .block_chunks = 6, .last_chunks = 2},
    [DIT__BLOCK_ADALN] = {.modulated = 1, .block_chunks = 4, .last_chunks = 2},
    [DIT__BLOCK_IN_CONTEXT] = {.context_tokens = 2, .last_chunks = 2},
    [DIT__BLOCK_CROSS_ATTENTION] = {.cross = 1, .block_chunks = 4},
};
