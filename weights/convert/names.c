#include "weights/convert/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "weights/convert/layout.h"
#include "weights/convert/text.h"

enum { NAME_MOST = 1100, COMPARED = 1 << 16 };

typedef struct names_reader {
  source *s;
  dit_error *error;
  int diffusers, former, compvis; /* what was found */
} names_reader;

static dit_status fail_memory(const names_reader *r) {
  return dit__fail(r->error, DIT_ERROR_MEMORY, "no memory for the names of tensors");
}

static dit_status rename_to(const names_reader *r, source_tensor *t, const char *name) {
  char *copy = text_copy(name, strlen(name));
  if (!copy) return fail_memory(r);
  free(t->name);
  t->name = copy;
  return DIT_OK;
}

/* Marks a tensor as left out; `sweep` removes the marked ones. */
static void drop(source_tensor *t) {
  free(t->name);
  t->name = NULL;
}

static void sweep(source *s) {
  size_t kept = 0;
  for (size_t i = 0; i < s->count; i++)
    if (s->tensors[i].name) s->tensors[kept++] = s->tensors[i];
  s->count = kept;
}

/* Behind `prefix` in `name`, or NULL. */
static const char *after(const char *name, const char *prefix) {
  size_t length = strlen(prefix);
  return strncmp(name, prefix, length) ? NULL : name + length;
}

/* A number below `limit` and a point; what follows, or NULL. */
static const char *take_index(const char *text, int limit, int *out) {
  int value = 0;
  const char *at = text;
  for (; *at >= '0' && *at <= '9'; at++) {
    value = 10 * value + (*at - '0');
    if (value >= limit) return NULL;
  }
  *out = value;
  return at > text && *at == '.' ? at + 1 : NULL;
}

/* ---- Prefixes ---- */

/* Every model has one tensor of such a name. */
static const char *const anchors[] = {"x_embedder.proj.weight", "pos_embed.proj.weight", "decoder.conv_in.weight"};

/* The length of what precedes an anchor at the end of a name; -1: it is none. */
static int prefix_length(const char *name, const char *anchor) {
  size_t length = strlen(name), tail = strlen(anchor);
  if (length < tail || strcmp(name + length - tail, anchor)) return -1;
  return length == tail || name[length - tail - 1] == '.' ? (int)(length - tail) : -1;
}

/* Whether a prefix names a moving average: "ema_model.", "model_ema.", "module.ema.". */
static int is_average(const char *name, int length) {
  for (int i = 0; i + 3 < length; i++)
    if (strncmp(name + i, "ema", 3) == 0) return 1;
  return 0;
}

/* Finds the prefix of the model: none if a name has none, else that of a moving average, else the only one. A
 * transformer goes before an autoencoder. *length is -1 if nothing is known here. */
static dit_status find_prefix(const names_reader *r, const char **prefix, int *length) {
  *length = -1;
  for (size_t kind = 0; kind < sizeof anchors / sizeof *anchors && *length < 0; kind++) {
    int average = 0, others = 0;
    for (size_t i = 0; i < r->s->count; i++) {
      const char *name = r->s->tensors[i].name;
      int n = prefix_length(name, anchors[kind]), averaged = is_average(name, n);
      if (n < 0 || *length == 0) continue;
      if (n == 0 || *length < 0 || averaged > average) {
        *length = n;
        *prefix = name;
        average = averaged;
        others = 0;
      } else if (averaged == average) {
        others = 1;
      }
    }
    if (others)
      return dit__fail(r->error, DIT_ERROR_FORMAT,
                       "several models in one file, one of them under '%.*s'; save the one that is meant alone",
                       *length < 80 ? *length : 80, *prefix);
  }
  return DIT_OK;
}

/* Cuts the prefix off; what has it not belongs to something else. */
static dit_status strip_prefix(const names_reader *r, char *note, size_t room) {
  const char *found = NULL;
  int length;
  size_t left_out = 0;
  dit_status status = find_prefix(r, &found, &length);
  if (status || length <= 0) return status;
  char *prefix = text_copy(found, (size_t)length);
  if (!prefix) return fail_memory(r);
  for (size_t i = 0; i < r->s->count; i++) {
    source_tensor *t = &r->s->tensors[i];
    const char *rest = after(t->name, prefix);
    if (rest && *rest)
      memmove(t->name, rest, strlen(rest) + 1);
    else
      drop(t), left_out++;
  }
  sweep(r->s);
  char shown[TEXT_SHOWN];
  int used = snprintf(note, room, "names begin with %s", text_shown(shown, prefix, strlen(prefix)));
  if (left_out && used > 0 && (size_t)used < room)
    snprintf(note + used, room - (size_t)used, "; %zu other tensors are left out", left_out);
  free(prefix);
  return DIT_OK;
}

/* ---- diffusers' DiTTransformer2DModel ---- */

typedef struct name_pair {
  const char *from, *to;
} name_pair;

static const char *translate(const name_pair *pairs, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(pairs[i].from, name) == 0) return pairs[i].to;
  return NULL;
}
#define TRANSLATE(pairs, name) translate(pairs, sizeof(pairs) / sizeof *(pairs), name)

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

/* Every block has its own copy of these. */
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

static int same_extents(const source_tensor *a, const source_tensor *b, int from) {
  int same = a->rank == b->rank;
  for (int i = from; same && i < a->rank; i++) same = a->shape[i] == b->shape[i];
  return same;
}

/* Whether two tensors hold the same numbers; -1 without memory. */
static int same_values(const source_tensor *a, const source_tensor *b) {
  uint64_t count = source_elements(a);
  if (!same_extents(a, b, 0)) return 0;
  if (a->data == b->data && a->type == b->type && memcmp(a->stride, b->stride, sizeof a->stride) == 0) return 1;
  float *values = (float *)malloc(2 * COMPARED * sizeof(float));
  int same = values ? 1 : -1;
  for (uint64_t first = 0; same == 1 && first < count; first += COMPARED) {
    uint64_t n = count - first < COMPARED ? count - first : COMPARED;
    source_read(a, first, n, values);
    source_read(b, first, n, values + COMPARED);
    same = memcmp(values, values + COMPARED, (size_t)n * sizeof(float)) == 0;
  }
  free(values);
  return same;
}

/* One of the embedders of block `block`: the first's is renamed, the others must be equal to it and are left out. */
static dit_status take_embedder(const names_reader *r, source_tensor *t, source_tensor *first, int which, int block) {
  if (t == first) return rename_to(r, t, dit_embedder[which].to);
  int same = same_values(t, first);
  if (same < 0) return fail_memory(r);
  if (!same)
    return dit__fail(
        r->error, DIT_ERROR_UNSUPPORTED,
        "the embedders of the blocks are not equal: transformer_blocks.%d.%s is not that of block 0. Such a "
        "model was trained on in diffusers' layout, and cannot be one DiT",
        block, dit_embedder[which].from);
  drop(t);
  return DIT_OK;
}

/* Rows of q, k and v (parts[0..2]), which are left out, become qkv. The joined tensor takes the place of the first. */
static dit_status join_rows(const names_reader *r, source_tensor *const *parts, const char *name) {
  source_tensor *list = (source_tensor *)calloc(3, sizeof *list);
  source_tensor joined = *parts[0];
  joined.name = text_copy(name, strlen(name));
  if (!list || !joined.name) {
    free(list);
    free(joined.name);
    return fail_memory(r);
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

static int can_join(source_tensor *const *parts) {
  for (int i = 0; i < 3; i++)
    if (!parts[i] || parts[i]->rank < 1 || !same_extents(parts[i], parts[0], 1) || parts[i]->shape[0] > UINT32_MAX)
      return 0;
  return 1;
}

/* rows: [LAYOUT_BLOCKS][6] tensors named dit_rows. */
static dit_status join_all(const names_reader *r, source_tensor **rows) {
  dit_status status = DIT_OK;
  for (int block = 0; block < LAYOUT_BLOCKS; block++)
    for (int i = 0; i < 6 && !status; i += 3) {
      char name[64];
      snprintf(name, sizeof name, "blocks.%d.attn.qkv.%s", block, i ? "bias" : "weight");
      source_tensor **parts = rows + 6 * (size_t)block + i;
      if (can_join(parts)) status = join_rows(r, parts, name);
    }
  return status;
}

static dit_status unify_block(const names_reader *r, source_tensor *t, int block, const char *rest,
                              source_tensor *const *first, source_tensor **rows) {
  char name[96];
  const char *to = TRANSLATE(dit_block, rest);
  int row = place_of(dit_rows, 6, rest);
  if (row >= 0) rows[6 * (size_t)block + (size_t)row] = t;
  for (int i = 0; i < EMBEDDERS; i++)
    if (first[i] && strcmp(rest, dit_embedder[i].from) == 0) return take_embedder(r, t, first[i], i, block);
  if (!to) return DIT_OK;
  snprintf(name, sizeof name, "blocks.%d.%s", block, to);
  return rename_to(r, t, name);
}

static dit_status unify_dit(names_reader *r) {
  source_tensor *first[EMBEDDERS] = {NULL};
  source_tensor **rows = (source_tensor **)calloc(6 * LAYOUT_BLOCKS, sizeof *rows);
  if (!rows) return fail_memory(r);
  r->diffusers = 1;
  for (size_t i = 0; i < r->s->count; i++) {
    const char *rest = after(r->s->tensors[i].name, "transformer_blocks.0.");
    for (int k = 0; rest && k < EMBEDDERS; k++)
      if (strcmp(rest, dit_embedder[k].from) == 0) first[k] = &r->s->tensors[i];
  }
  dit_status status = DIT_OK;
  for (size_t i = 0; i < r->s->count && !status; i++) {
    source_tensor *t = &r->s->tensors[i];
    int block = 0;
    const char *rest = after(t->name, "transformer_blocks."), *to = TRANSLATE(dit_outer, t->name);
    if (rest) rest = take_index(rest, LAYOUT_BLOCKS, &block);
    if (rest)
      status = unify_block(r, t, block, rest, first, rows);
    else if (to)
      status = rename_to(r, t, to);
  }
  if (!status) status = join_all(r, rows);
  free(rows);
  return status;
}

/* ---- The autoencoder ---- */

/* Of the attention in the middle; both former layouts. */
static const name_pair vae_attention[] = {
    {"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}, {"norm", "group_norm"},
    {"q", "to_q"},     {"k", "to_k"},   {"v", "to_v"},     {"proj_out", "to_out.0"},
};

/* "NAME.weight" or "NAME.bias" of the attention, translated. 0: the name is not a former one. */
static int attention_name(const char *rest, char *out, size_t room) {
  char part[16];
  size_t length = strcspn(rest, ".");
  if (length >= sizeof part || !rest[length]) return 0;
  memcpy(part, rest, length);
  part[length] = 0;
  const char *to = TRANSLATE(vae_attention, part);
  if (to) snprintf(out, room, "%s%s", to, rest + length);
  return to != NULL;
}

/* Names of CompVis within one side ("encoder." or "decoder."), up to `levels` of the decoder counted from the other
 * end; 0: it is none of them. */
static int compvis_name(const char *side, const char *rest, int levels, char *out, size_t room) {
  int decoder = strcmp(side, "decoder") == 0, level, index;
  char part[64];
  const char *at = after(rest, decoder ? "up." : "down."), *inner;
  if (at && (at = take_index(at, LAYOUT_LEVELS, &level)) != NULL) {
    if (decoder) level = levels - 1 - level;
    inner = after(at, "block.");
    if (inner && (inner = take_index(inner, 64, &index)) != NULL) {
      const char *shortcut = after(inner, "nin_shortcut.");
      snprintf(out, room, "%s.%s_blocks.%d.resnets.%d.%s%s", side, decoder ? "up" : "down", level, index,
               shortcut ? "conv_shortcut." : "", shortcut ? shortcut : inner);
      return 1;
    }
    inner = after(at, decoder ? "upsample.conv." : "downsample.conv.");
    if (inner)
      snprintf(out, room, "%s.%s_blocks.%d.%ssamplers.0.conv.%s", side, decoder ? "up" : "down", level,
               decoder ? "up" : "down", inner);
    return inner != NULL;
  }
  if ((at = after(rest, "mid.attn_1.")) != NULL && attention_name(at, part, sizeof part)) {
    snprintf(out, room, "%s.mid_block.attentions.0.%s", side, part);
    return 1;
  }
  if ((at = after(rest, "mid.block_")) != NULL && (*at == '1' || *at == '2') && at[1] == '.') {
    snprintf(out, room, "%s.mid_block.resnets.%d.%s", side, *at - '1', at + 2);
    return 1;
  }
  if ((at = after(rest, "norm_out.")) != NULL) snprintf(out, room, "%s.conv_norm_out.%s", side, at);
  return at != NULL;
}

/* A 1x1 convolution [rows][columns][1][1] is a matrix. */
static void flatten(source_tensor *t) {
  if (t->rank == 4 && t->shape[2] == 1 && t->shape[3] == 1) t->rank = 2;
}

static dit_status unify_vae_tensor(names_reader *r, source_tensor *t, int levels) {
  char name[NAME_MOST], part[64];
  const char *side = after(t->name, "encoder.") ? "encoder" : after(t->name, "decoder.") ? "decoder" : NULL;
  const char *rest = side ? t->name + 8 : NULL, *attention = rest ? after(rest, "mid_block.attentions.0.") : NULL;
  dit_status status = DIT_OK;
  if (attention && attention_name(attention, part, sizeof part)) {
    r->former = 1;
    snprintf(name, sizeof name, "%s.mid_block.attentions.0.%s", side, part);
    status = rename_to(r, t, name);
  } else if (rest && compvis_name(side, rest, levels, name, sizeof name)) {
    r->compvis = 1;
    status = rename_to(r, t, name);
  } else if (after(t->name, "loss.")) { /* what the training of CompVis's autoencoder leaves beside it */
    drop(t);
  }
  if (!status && t->name && strstr(t->name, ".mid_block.attentions.0.to_")) flatten(t);
  return status;
}

static dit_status unify_vae(names_reader *r) {
  int levels = 0, level;
  dit_status status = DIT_OK;
  for (size_t i = 0; i < r->s->count; i++) {
    const char *at = after(r->s->tensors[i].name, "decoder.up.");
    if (at && take_index(at, LAYOUT_LEVELS, &level) && level >= levels) levels = level + 1;
  }
  for (size_t i = 0; i < r->s->count && !status; i++) status = unify_vae_tensor(r, &r->s->tensors[i], levels);
  return status;
}

/* ---- All of it ---- */

static int has_name(const source *s, const char *name) { return layout_find(s, name) != NULL; }

dit_status names_unify(source *s, char *note, size_t room, dit_error *error) {
  names_reader reader = {s, error, 0, 0, 0};
  *note = 0;
  if (s->model_file) return DIT_OK;
  dit_status status = strip_prefix(&reader, note, room);
  if (!status && has_name(s, "pos_embed.proj.weight"))
    status = unify_dit(&reader);
  else if (!status && has_name(s, "decoder.conv_in.weight"))
    status = unify_vae(&reader);
  sweep(s);
  if (!status) status = source_check_names(s, "with official names", error);
  const char *layout = reader.diffusers ? "layout of diffusers"
                       : reader.compvis ? "layout of CompVis"
                       : reader.former  ? "former names of diffusers"
                                        : NULL;
  size_t used = strlen(note);
  if (layout) snprintf(note + used, room - used, "%s%s", used ? "; " : "", layout);
  return status;
}
