/* The layout of diffusers' DiTTransformer2DModel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/text.h"
#include "weights/convert/shape/layout.h"
#include "weights/convert/shape/names_dit.h"

enum { COMPARED = 1 << 16 };

static const name_pair dit_outer[] = {
    {"pos_embed.proj.weight", "x_embedder.proj.weight"},
    {"pos_embed.proj.bias", "x_embedder.proj.bias"},
    {"pos_embed.pos_embed", "pos_embed"},
    {"proj_out_1.weight", "final_layer.adaLN_modulation.1.weight"},
    {"proj_out_1.bias", "final_layer.adaLN_modulation.1.bias"},
    {"proj_out_2.weight", "final_layer.linear.weight"},
    {"proj_out_2.bias", "final_layer.linear.bias"},
};

static const name_pair dit_block[] = {
    {"norm1.linear.weight", "adaLN_modulation.1.weight"},
    {"norm1.linear.bias", "adaLN_modulation.1.bias"},
    {"attn1.to_out.0.weight", "attn.proj.weight"},
    {"attn1.to_out.0.bias", "attn.proj.bias"},
    {"ff.net.0.proj.weight", "mlp.fc1.weight"},
    {"ff.net.0.proj.bias", "mlp.fc1.bias"},
    {"ff.net.2.weight", "mlp.fc2.weight"},
    {"ff.net.2.bias", "mlp.fc2.bias"},
};

/* Every block has a copy of these. */
enum { EMBEDDERS = 5 };
static const name_pair dit_embedder[EMBEDDERS] = {
    {"norm1.emb.timestep_embedder.linear_1.weight", "t_embedder.mlp.0.weight"},
    {"norm1.emb.timestep_embedder.linear_1.bias", "t_embedder.mlp.0.bias"},
    {"norm1.emb.timestep_embedder.linear_2.weight", "t_embedder.mlp.2.weight"},
    {"norm1.emb.timestep_embedder.linear_2.bias", "t_embedder.mlp.2.bias"},
    {"norm1.emb.class_embedder.embedding_table.weight", "y_embedder.embedding_table.weight"},
};

static const char *const dit_rows[6] = {"attn1.to_q.weight", "attn1.to_k.weight", "attn1.to_v.weight",
                                        "attn1.to_q.bias",   "attn1.to_k.bias",   "attn1.to_v.bias"};

static int place_of(const char *const *names, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

static int same_extents(const checkpoint_tensor *a, const checkpoint_tensor *b, int from) {
  int same = a->rank == b->rank;
  for (int i = from; same && i < a->rank; i++) same = a->shape[i] == b->shape[i];
  return same;
}

/* Returns 1 if two tensors hold the same numbers, 0 if not, -1 without memory. */
static int same_values(const checkpoint_tensor *a, const checkpoint_tensor *b) {
  uint64_t count = checkpoint_elements(a);
  if (!same_extents(a, b, 0)) return 0;
  if (a->data == b->data && a->type == b->type && memcmp(a->stride, b->stride, sizeof a->stride) == 0) return 1;
  float *values = (float *)malloc(2 * COMPARED * sizeof(float));
  int same = values ? 1 : -1;
  for (uint64_t first = 0; same == 1 && first < count; first += COMPARED) {
    uint64_t n = count - first < COMPARED ? count - first : COMPARED;
    checkpoint_read(a, first, n, values);
    checkpoint_read(b, first, n, values + COMPARED);
    same = memcmp(values, values + COMPARED, (size_t)n * sizeof(float)) == 0;
  }
  free(values);
  return same;
}

/* Takes an embedder of block `block`: that of the first block is renamed; the others must be equal to it, and are
 * dropped. */
static dit_status take_embedder(const names_reader *r, checkpoint_tensor *t, checkpoint_tensor *first, int which,
                                int block) {
  if (t == first) return names_rename_to(r, t, dit_embedder[which].to);
  int same = same_values(t, first);
  if (same < 0) return names_fail_memory(r);
  if (!same)
    return dit__fail(
        r->error, DIT_ERROR_UNSUPPORTED,
        "the embedders of the blocks are not equal: transformer_blocks.%d.%s is not that of block 0. Such a "
        "model was trained on in diffusers' layout, and cannot be one DiT",
        block, dit_embedder[which].from);
  names_drop(t);
  return DIT_OK;
}

/* Joins the rows of q, k and v (parts[0..2]) to qkv, which replaces the first of them; the others are dropped. */
static dit_status join_rows(const names_reader *r, checkpoint_tensor *const *parts, const char *name) {
  checkpoint_tensor *list = (checkpoint_tensor *)calloc(3, sizeof *list);
  checkpoint_tensor joined = *parts[0];
  joined.name = text_copy(name, strlen(name));
  if (!list || !joined.name) {
    free(list);
    free(joined.name);
    return names_fail_memory(r);
  }
  joined.parts = list;
  joined.part_count = 3;
  joined.data = NULL;
  joined.shape[0] = 0;
  for (int i = 0; i < 3; i++) {
    list[i] = *parts[i];
    joined.shape[0] += list[i].shape[0];
    parts[i]->name = NULL;
  }
  *parts[0] = joined;
  return DIT_OK;
}

static int can_join(checkpoint_tensor *const *parts) {
  for (int i = 0; i < 3; i++)
    if (!parts[i] || parts[i]->rank < 1 || !same_extents(parts[i], parts[0], 1) || parts[i]->shape[0] > UINT32_MAX)
      return 0;
  return 1;
}

/* Joins q, k and v of every block. rows: [MAX_BLOCKS][6] tensors, in the order of dit_rows. */
static dit_status join_all(const names_reader *r, checkpoint_tensor **rows) {
  dit_status status = DIT_OK;
  for (int block = 0; block < MAX_BLOCKS; block++)
    for (int i = 0; i < 6 && !status; i += 3) {
      char name[64];
      snprintf(name, sizeof name, "blocks.%d.attn.qkv.%s", block, i ? "bias" : "weight");
      checkpoint_tensor **parts = rows + 6 * (size_t)block + i;
      if (can_join(parts)) status = join_rows(r, parts, name);
    }
  return status;
}

static dit_status canonicalize_block(const names_reader *r, checkpoint_tensor *t, int block, const char *rest,
                                     checkpoint_tensor *const *first, checkpoint_tensor **rows) {
  char name[96];
  const char *to = NAMES_TRANSLATE(dit_block, rest);
  int row = place_of(dit_rows, 6, rest);
  if (row >= 0) rows[6 * (size_t)block + (size_t)row] = t;
  for (int i = 0; i < EMBEDDERS; i++)
    if (first[i] && strcmp(rest, dit_embedder[i].from) == 0) return take_embedder(r, t, first[i], i, block);
  if (!to) return DIT_OK;
  snprintf(name, sizeof name, "blocks.%d.%s", block, to);
  return names_rename_to(r, t, name);
}

dit_status names_canonicalize_dit(names_reader *r) {
  checkpoint_tensor *first[EMBEDDERS] = {NULL};
  checkpoint_tensor **rows = (checkpoint_tensor **)calloc(6 * MAX_BLOCKS, sizeof *rows);
  if (!rows) return names_fail_memory(r);
  r->diffusers = 1;
  for (size_t i = 0; i < r->s->count; i++) {
    const char *rest = names_after(r->s->tensors[i].name, "transformer_blocks.0.");
    for (int k = 0; rest && k < EMBEDDERS; k++)
      if (strcmp(rest, dit_embedder[k].from) == 0) first[k] = &r->s->tensors[i];
  }
  dit_status status = DIT_OK;
  for (size_t i = 0; i < r->s->count && !status; i++) {
    checkpoint_tensor *t = &r->s->tensors[i];
    int block = 0;
    const char *rest = names_after(t->name, "transformer_blocks."), *to = NAMES_TRANSLATE(dit_outer, t->name);
    if (rest) rest = names_take_index(rest, MAX_BLOCKS, &block);
    if (rest)
      status = canonicalize_block(r, t, block, rest, first, rows);
    else if (to)
      status = names_rename_to(r, t, to);
  }
  if (!status) status = join_all(r, rows);
  free(rows);
  return status;
}
