/* The tensors of DiT, under the official names (Peebles & Xie 2022, models.py). */
#include "lib/core/numerics.h"

#include "lib/model/tensor_list.h"
#include "lib/sampling/timestep_embedding.h"

static void list_block(dit__tensor_list *list, const dit__transformer *dit, dit__block *block) {
  const dit__block_traits *traits = &dit__block_types[dit->block_kind];
  const int64_t hidden = dit->hidden, mlp = dit->mlp;
  dit__list_linear(list, "attn.qkv", 3 * hidden, hidden, DIT__PART_QKV, DIT__LARGE, DIT__MEMBER(block, qkv));
  dit__list_linear(list, "attn.proj", hidden, hidden, DIT__PART_PROJ, DIT__LARGE, DIT__MEMBER(block, proj));
  if (dit->mlp_kind == DIT__MLP_SWIGLU)
    dit__list_linear(list, "mlp.gate", mlp, hidden, DIT__PART_FC1, DIT__LARGE, DIT__MEMBER(block, gate));
  dit__list_linear(list, "mlp.fc1", mlp, hidden, DIT__PART_FC1, DIT__LARGE, DIT__MEMBER(block, fc1));
  dit__list_linear(list, "mlp.fc2", hidden, mlp, DIT__PART_FC2, DIT__LARGE, DIT__MEMBER(block, fc2));
  if (dit->qk_norm) {
    const int64_t dim = hidden / dit->heads;
    const int32_t biased = dit->qk_norm == DIT__QK_NORM_LAYER;
    dit__list_norm(list, "attn.q_norm", dim, biased, DIT__MEMBER(block, q_norm));
    dit__list_norm(list, "attn.k_norm", dim, biased, DIT__MEMBER(block, k_norm));
  }
  if (traits->modulated) {
    dit__list_linear(list, "adaLN_modulation.1", traits->block_chunks * hidden, hidden, DIT__PART_MODULATION,
                     DIT__LARGE | DIT__SELDOM, DIT__MEMBER(block, modulation));
  }
  if (dit__norms_have_weights(dit)) {
    dit__list_norm(list, "norm1", hidden, dit->norm == DIT__NORM_LAYER, DIT__MEMBER(block, norm1));
    dit__list_norm(list, "norm2", hidden, dit->norm == DIT__NORM_LAYER, DIT__MEMBER(block, norm2));
  }
  if (traits->cross) {
    dit__list_norm(list, "norm_cross", hidden, 1, DIT__MEMBER(block, norm_cross));
    dit__list_linear(list, "cross_attn.q_linear", hidden, hidden, DIT__PART_OTHER, DIT__LARGE,
                     DIT__MEMBER(block, cross_q));
    dit__list_linear(list, "cross_attn.kv_linear", 2 * hidden, hidden, DIT__PART_OTHER, DIT__LARGE | DIT__SELDOM,
                     DIT__MEMBER(block, cross_kv));
    dit__list_linear(list, "cross_attn.proj", hidden, hidden, DIT__PART_OTHER, DIT__LARGE,
                     DIT__MEMBER(block, cross_proj));
  }
}

dit_status dit__list_transformer(dit__transformer *dit, dit__tensor_visit *visit, void *user) {
  const int64_t hidden = dit->hidden, patch = dit->patch, grid = dit->latent_size / patch;
  const int64_t labels = (int64_t)dit->classes + (dit->null_class == dit->classes);
  dit__tensor_list list = dit__list_begin(visit, user);
  dit__list_positions(&list, "pos_embed", grid * grid, hidden, &dit->positions);
  if (dit->bottleneck) {
    dit__list_patches(&list, "x_embedder.proj1", dit->channels, dit->bottleneck, patch, &dit->squeeze);
    dit__list_patches(&list, "x_embedder.proj2", dit->bottleneck, hidden, 1, &dit->embed);
  } else {
    dit__list_patches(&list, "x_embedder.proj", dit->channels, hidden, patch, &dit->embed);
  }
  if (dit->context) dit__list_positions(&list, "in_context_posemb", dit->context, hidden, &dit->context_positions);
  dit__list_linear(&list, "t_embedder.mlp.0", hidden, DIT__TIMESTEP_CHANNELS, DIT__PART_OTHER, DIT__SELDOM,
                   &dit->t_mlp0);
  dit__list_linear(&list, "t_embedder.mlp.2", hidden, hidden, DIT__PART_OTHER, DIT__SELDOM, &dit->t_mlp2);
  if (dit->process.second_time == DIT__SECOND_TIME_DIFFERENCE) {
    dit__list_linear(&list, "s_embedder.mlp.0", hidden, DIT__TIMESTEP_CHANNELS, DIT__PART_OTHER, DIT__SELDOM,
                     &dit->s_mlp0);
    dit__list_linear(&list, "s_embedder.mlp.2", hidden, hidden, DIT__PART_OTHER, DIT__SELDOM, &dit->s_mlp2);
  }
  dit__list_embedding(&list, "y_embedder.embedding_table", labels, hidden, &dit->labels);
  for (list.block = 0; list.block < dit->depth && !list.status; list.block++) {
    dit__list_prefix(&list, "blocks.%d.", list.block);
    list_block(&list, dit, dit->blocks ? &dit->blocks[list.block] : NULL);
  }
  list.block = -1;
  dit__list_prefix(&list, "final_layer.");
  dit__list_linear(&list, "linear", patch * patch * dit->out_channels, hidden, DIT__PART_OTHER, 0, &dit->final_linear);
  if (dit__block_types[dit->block_kind].modulated)
    dit__list_linear(&list, "adaLN_modulation.1", 2 * hidden, hidden, DIT__PART_MODULATION, DIT__LARGE | DIT__SELDOM,
                     &dit->final_modulation);
  if (dit__norms_have_weights(dit))
    dit__list_norm(&list, "norm_final", hidden, dit->norm == DIT__NORM_LAYER, &dit->final_norm);
  return list.status;
}
