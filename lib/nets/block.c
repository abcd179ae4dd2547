/* Transformer blocks (Peebles & Xie 2022, section 3.2 and figure 3):
 *
 *   x += gate * attention(norm(x))
 *   x += cross-attention(norm(x), condition)     with cross-attention blocks
 *   x += gate * mlp(norm(x))
 *
 * The norms and gates are those of the block's kind (dit__block_traits). */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/nets/block.h"
#include "lib/nets/conditioning.h"

/* h = attention of the heads of q, which has the pass's rows, to those of k and v. */
static void block_attention(const dit__pass *pass, dit__attention_op attention) {
  const int32_t dim = pass->dit->hidden / pass->dit->heads;
  attention.samples = pass->batch;
  attention.heads = pass->dit->heads;
  attention.queries = pass->tokens;
  attention.dim = dim;
  attention.scale = (float)(1.0 / sqrt((double)dim));
  attention.out = pass->h;
  attention.out_stride = pass->dit->hidden;
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_ATTENTION, .attention = attention});
}

/* Norms and rotary positions of the queries and keys in `wide`, [rows][q, k, v]. */
static void block_heads(const dit__pass *pass, const dit__block *block) {
  const dit__transformer *dit = pass->dit;
  const int32_t rotated = dit->rope == DIT__ROPE_2D ? pass->image_tokens : dit->rope ? pass->tokens : 0;
  if (!dit->qk_norm && !rotated) return;
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_HEADS,
                                       .heads = {.samples = pass->batch,
                                                 .tokens = pass->tokens,
                                                 .heads = dit->heads,
                                                 .dim = dit->hidden / dit->heads,
                                                 .rotated = rotated,
                                                 .rms = dit->qk_norm == DIT__QK_NORM_RMS,
                                                 .eps = dit->qk_norm == DIT__QK_NORM_RMS ? 1e-6f : 1e-5f,
                                                 .q_norm = block->q_norm,
                                                 .k_norm = block->k_norm,
                                                 .x = pass->wide,
                                                 .stride = 3 * (ptrdiff_t)dit->hidden,
                                                 .k_offset = dit->hidden,
                                                 .cosine = pass->cosine,
                                                 .sine = pass->sine}});
}

/* wide = what the MLP computes before its last layer, of h. */
static void block_mlp(const dit__pass *pass, const dit__block *block) {
  if (pass->dit->mlp_kind == DIT__MLP_GELU) {
    dit__pass_linear(pass, &block->fc1, pass->h, pass->wide, DIT__EPILOGUE_GELU, 0);
    return;
  }
  dit__pass_linear(pass, &block->gate, pass->h, pass->wide, DIT__EPILOGUE_SILU, 0);
  dit__pass_linear_again(pass, &block->fc1, pass->h, pass->wide, DIT__EPILOGUE_PRODUCT, 0);
}

/* h = attention of the tokens in `wide`, [rows][q, k, v], to each other. */
static void block_self_attention(const dit__pass *pass) {
  const int32_t hidden = pass->dit->hidden;
  const ptrdiff_t stride = 3 * (ptrdiff_t)hidden;
  block_attention(pass, (dit__attention_op){.keys = pass->tokens,
                                            .q = pass->wide,
                                            .k = pass->wide + hidden,
                                            .v = pass->wide + 2 * hidden,
                                            .q_stride = stride,
                                            .kv_stride = stride,
                                            .kv_sample_stride = stride * pass->tokens});
}

/* h = attention of the queries in `wide` to the tokens of the condition, whose keys and values are chunks. */
static void block_cross_attention(const dit__pass *pass, int64_t chunk) {
  const int32_t hidden = pass->dit->hidden;
  const dit__modulation condition = dit__pass_modulation(pass, chunk);
  block_attention(pass, (dit__attention_op){.keys = DIT__CONDITION_TOKENS,
                                            .q = pass->wide,
                                            .k = condition.vectors,
                                            .v = condition.vectors + hidden,
                                            .q_stride = hidden,
                                            .kv_stride = 2 * (ptrdiff_t)hidden,
                                            .kv_sample_stride = condition.stride,
                                            .kv_index = condition.index});
}

void dit__plan_block(const dit__pass *pass, int32_t index) {
  const dit__block_traits *traits = &dit__block_types[pass->dit->block_kind];
  const dit__block *block = &pass->dit->blocks[index];
  const int64_t chunk = dit__modulation_chunk(pass->dit, index);
  const int64_t mlp_chunk = chunk + 2 + traits->gated; /* behind shift, scale and gate of the attention */
  const dit__epilogue add = traits->gated ? DIT__EPILOGUE_GATED : DIT__EPILOGUE_RESIDUAL;

  dit__pass_norm(pass, &block->norm1, chunk, 1e-6f);
  dit__pass_linear(pass, &block->qkv, pass->h, pass->wide, DIT__EPILOGUE_STORE, 0);
  block_heads(pass, block);
  block_self_attention(pass);
  dit__pass_linear(pass, &block->proj, pass->h, pass->x, add, chunk + 2);
  if (traits->cross) {
    dit__pass_norm(pass, &block->norm_cross, 0, 1e-6f);
    dit__pass_linear(pass, &block->cross_q, pass->h, pass->wide, DIT__EPILOGUE_STORE, 0);
    block_cross_attention(pass, chunk);
    dit__pass_linear(pass, &block->cross_proj, pass->h, pass->x, DIT__EPILOGUE_RESIDUAL, 0);
  }
  dit__pass_norm(pass, &block->norm2, mlp_chunk, pass->dit->mlp_eps);
  block_mlp(pass, block);
  dit__pass_linear(pass, &block->fc2, pass->wide, pass->x, add, mlp_chunk + 2);
}
