/* The DiT block with adaLN-Zero (Peebles & Xie 2022, figure 3). */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/nets/blocks.h"
#include "lib/nets/conditioning.h"

enum { SHIFT_ATTENTION, SCALE_ATTENTION, GATE_ATTENTION, SHIFT_MLP, SCALE_MLP, GATE_MLP };

/* h = attention of the heads in `wide`, [rows][q, k, v]. */
static void block_attention(const dit__pass *pass) {
  const dit__transformer *dit = pass->dit;
  const int32_t hidden = dit->hidden, dim = hidden / dit->heads;
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_ATTENTION,
                                       .attention = {.samples = pass->batch,
                                                     .heads = dit->heads,
                                                     .queries = pass->tokens,
                                                     .keys = pass->tokens,
                                                     .dim = dim,
                                                     .scale = (float)(1.0 / sqrt((double)dim)),
                                                     .q = pass->wide,
                                                     .k = pass->wide + hidden,
                                                     .v = pass->wide + 2 * hidden,
                                                     .q_stride = 3 * (ptrdiff_t)hidden,
                                                     .kv_stride = 3 * (ptrdiff_t)hidden,
                                                     .out = pass->h,
                                                     .out_stride = hidden}});
}

/* x += gate * attention(norm(x)); x += gate * mlp(norm(x)). */
void dit__block_adaln_zero(const dit__pass *pass, int32_t index) {
  const dit__block *block = &pass->dit->blocks[index];
  const int64_t chunk = dit__modulation_chunk(pass->dit, index);
  dit__pass_norm(pass, chunk + SHIFT_ATTENTION, 1e-6f);
  dit__pass_linear(pass, &block->qkv, pass->h, pass->wide, DIT__EPILOGUE_STORE, 0);
  block_attention(pass);
  dit__pass_linear(pass, &block->proj, pass->h, pass->x, DIT__EPILOGUE_GATED, chunk + GATE_ATTENTION);
  dit__pass_norm(pass, chunk + SHIFT_MLP, pass->dit->mlp_eps);
  dit__pass_linear(pass, &block->fc1, pass->h, pass->wide, DIT__EPILOGUE_GELU, 0);
  dit__pass_linear(pass, &block->fc2, pass->wide, pass->x, DIT__EPILOGUE_GATED, chunk + GATE_MLP);
}
