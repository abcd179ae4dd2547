#include "weights/convert/shape/rearrange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/text.h"

static dit_status no_memory(dit_error *error) {
  return dit__fail(error, DIT_ERROR_MEMORY, "no memory to rearrange tensors");
}

/* Finds a tensor of a block; NULL: none. */
static checkpoint_tensor *find_in_block(const checkpoint *s, int64_t block, const char *name) {
  char full[96];
  snprintf(full, sizeof full, "blocks.%d.%s", (int)block, name);
  return (checkpoint_tensor *)(uintptr_t)checkpoint_find(s, full);
}

static dit_status rename_in_block(checkpoint_tensor *t, int64_t block, const char *name, dit_error *error) {
  char full[96];
  snprintf(full, sizeof full, "blocks.%d.%s", (int)block, name);
  char *copy = text_copy(full, strlen(full));
  if (!copy) return no_memory(error);
  free(t->name);
  t->name = copy;
  return DIT_OK;
}

/* A view of rows first, first + step, ... of a tensor, without a name. */
static checkpoint_tensor rows_of(const checkpoint_tensor *t, uint64_t first, uint64_t step, uint64_t count) {
  checkpoint_tensor rows = *t;
  rows.name = NULL;
  rows.data += first * t->stride[0] * checkpoint_element_size(t->type);
  rows.stride[0] *= step;
  rows.shape[0] = count;
  return rows;
}

/* ---- SwiGLU ---- */

static dit_status split_w12(checkpoint *s, int64_t block, const char *suffix, uint64_t mlp, dit_error *error) {
  char name[32];
  snprintf(name, sizeof name, "mlp.w12.%s", suffix);
  if (!find_in_block(s, block, name)) return DIT_OK;
  if (!checkpoint_reserve(s, 1)) return no_memory(error);
  checkpoint_tensor *gate = find_in_block(s, block, name);
  if (gate->shape[0] != 2 * mlp || gate->parts)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: must have %d rows, twice as many as in block 0's half",
                     gate->name, (int)(2 * mlp));
  checkpoint_tensor value = rows_of(gate, mlp, 1, mlp), first = rows_of(gate, 0, 1, mlp);
  first.name = gate->name;
  *gate = first;
  s->tensors[s->count] = value;
  checkpoint_tensor *added = &s->tensors[s->count++];
  snprintf(name, sizeof name, "mlp.gate.%s", suffix);
  dit_status status = rename_in_block(gate, block, name, error);
  snprintf(name, sizeof name, "mlp.fc1.%s", suffix);
  if (!status) status = rename_in_block(added, block, name, error);
  if (status && !added->name) s->count--;
  snprintf(name, sizeof name, "mlp.w3.%s", suffix);
  checkpoint_tensor *last = find_in_block(s, block, name);
  snprintf(name, sizeof name, "mlp.fc2.%s", suffix);
  return status || !last ? status : rename_in_block(last, block, name, error);
}

/* ---- Rotation ---- */

/* Adds the rows of `heads` heads from row `first` on: of each the even ones, then the odd ones. */
static void add_pairs(checkpoint_tensor *whole, const checkpoint_tensor *t, uint64_t first, uint64_t heads,
                      uint64_t dim) {
  for (uint64_t i = 0; i < 2 * heads; i++)
    whole->parts[whole->part_count++] = rows_of(t, first + i / 2 * dim + i % 2, 2, dim / 2);
}

/* Replaces a tensor by the same rows in another order: those of `heads` heads in pairs, and `rest` more as they are. */
static dit_status split_pairs(checkpoint_tensor *t, uint64_t heads, uint64_t dim, uint64_t rest, dit_error *error) {
  checkpoint_tensor whole = *t;
  if (t->shape[0] != heads * dim + rest || t->parts)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: must have %d rows", t->name, (int)(heads * dim + rest));
  whole.parts = (checkpoint_tensor *)calloc(2 * heads + 1, sizeof *whole.parts);
  if (!whole.parts) return no_memory(error);
  whole.part_count = 0;
  whole.data = NULL;
  add_pairs(&whole, t, 0, heads, dim);
  if (rest) whole.parts[whole.part_count++] = rows_of(t, heads * dim, 1, rest);
  *t = whole;
  return DIT_OK;
}

static dit_status rearrange_heads(const checkpoint *s, const transformer_geometry *g, int64_t block, dit_error *error) {
  static const char *const layers[] = {"attn.qkv.weight", "attn.qkv.bias"};
  static const char *const norms[] = {"attn.q_norm.weight", "attn.q_norm.bias", "attn.k_norm.weight",
                                      "attn.k_norm.bias"};
  const uint64_t heads = (uint64_t)g->heads, dim = (uint64_t)(g->hidden / g->heads);
  dit_status status = DIT_OK;
  for (int i = 0; i < 2 && !status; i++) { /* queries and keys are 2 * heads heads; values stay */
    checkpoint_tensor *t = find_in_block(s, block, layers[i]);
    if (t && t->rank) status = split_pairs(t, 2 * heads, dim, heads * dim, error);
  }
  for (int i = 0; i < 4 && !status; i++) {
    checkpoint_tensor *t = find_in_block(s, block, norms[i]);
    if (t && t->rank) status = split_pairs(t, 1, dim, 0, error);
  }
  return status;
}

dit_status rearrange_blocks(checkpoint *s, const transformer_geometry *g, dit_error *error) {
  dit_status status = DIT_OK;
  for (int64_t block = 0; block < g->depth && !status; block++) {
    if (g->mlp_kind == DIT__MLP_SWIGLU) status = split_w12(s, block, "weight", (uint64_t)g->mlp, error);
    if (g->mlp_kind == DIT__MLP_SWIGLU && !status) status = split_w12(s, block, "bias", (uint64_t)g->mlp, error);
    if (g->family->rope && !status) status = rearrange_heads(s, g, block, error);
  }
  return status;
}
