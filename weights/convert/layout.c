#include "weights/convert/layout.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* ---- From the geometry to the tensors ---- */

static int between(const char *what, int64_t value, int64_t low, int64_t high, dit_error *error) {
  if (value >= low && value <= high) return 1;
  dit__fail(error, DIT_ERROR_ARGUMENT, "%s is %" PRId64 ", not within %" PRId64 " and %" PRId64, what, value, low,
            high);
  return 0;
}

int layout_check_dit(const dit_geometry *g, dit_error *error) {
  if (!between("hidden size", g->hidden, 4, 16384, error) || !between("depth", g->depth, 1, LAYOUT_BLOCKS, error) ||
      !between("number of heads", g->heads, 1, g->hidden, error) || !between("patch", g->patch, 1, 64, error) ||
      !between("latent side", g->latent, 1, 4096, error) || !between("in-channels", g->in_channels, 1, 256, error) ||
      !between("number of rows of the label table", g->class_rows, 1, 1 << 24, error) ||
      !between("MLP size", g->mlp, 1, 1 << 18, error))
    return 0;
  if (g->hidden % 4 || g->hidden % g->heads) {
    dit__fail(error, DIT_ERROR_ARGUMENT, "hidden size %d must be a multiple of 4 and of the number of heads, %d",
              (int)g->hidden, (int)g->heads);
    return 0;
  }
  if (g->latent % g->patch) {
    dit__fail(error, DIT_ERROR_ARGUMENT, "latent side %d is no multiple of the patch, %d", (int)g->latent,
              (int)g->patch);
    return 0;
  }
  return 1;
}

int layout_check_vae(const vae_geometry *g, dit_error *error) {
  if (!between("number of levels", g->levels, 1, LAYOUT_LEVELS, error) ||
      !between("layers per block", g->layers, 1, 64, error) || !between("groups", g->groups, 1, 8192, error) ||
      !between("image channels", g->image_channels, 1, 64, error) ||
      !between("latent channels", g->latent_channels, 1, 256, error))
    return 0;
  for (int64_t i = 0; i < g->levels; i++) {
    if (!between("block width", g->blocks[i], 1, 8192, error)) return 0;
    if (g->blocks[i] % g->groups) {
      dit__fail(error, DIT_ERROR_ARGUMENT, "block width %d is no multiple of the number of groups, %d",
                (int)g->blocks[i], (int)g->groups);
      return 0;
    }
  }
  if (!(g->scaling_factor > 1e-6 && g->scaling_factor < 1e6)) {
    dit__fail(error, DIT_ERROR_ARGUMENT, "scaling factor %g is not within 1e-6 and 1e6", g->scaling_factor);
    return 0;
  }
  return 1;
}

/* Tensors are appended through this; a failure to allocate shows at the end. */
typedef struct layout_list {
  layout *out;
  int failed;
} layout_list;

static void add(layout_list *list, const char *prefix, const char *name, int rank, int64_t a, int64_t b, int64_t c,
                int64_t d) {
  layout *l = list->out;
  if (l->count == l->room) {
    size_t room = l->room ? 2 * l->room : 256;
    layout_tensor *grown = (layout_tensor *)realloc(l->tensors, room * sizeof *grown);
    if (!grown) {
      list->failed = 1;
      return;
    }
    l->tensors = grown;
    l->room = room;
  }
  layout_tensor *t = &l->tensors[l->count++];
  snprintf(t->name, sizeof t->name, "%s%s", prefix, name);
  t->rank = rank;
  t->shape[0] = (uint64_t)a;
  t->shape[1] = (uint64_t)b;
  t->shape[2] = (uint64_t)c;
  t->shape[3] = (uint64_t)d;
}

static void add_linear(layout_list *list, const char *prefix, const char *name, int64_t rows, int64_t columns) {
  char both[64];
  snprintf(both, sizeof both, "%s%s", prefix, name);
  add(list, both, ".weight", 2, rows, columns, 1, 1);
  add(list, both, ".bias", 1, rows, 1, 1, 1);
}

dit_status layout_dit(const dit_geometry *g, layout *out, dit_error *error) {
  layout_list list = {out, 0};
  int64_t d = g->hidden, p = g->patch, grid = g->latent / g->patch;
  char block[32];
  add(&list, "", "pos_embed", 3, 1, grid * grid, d, 1);
  add(&list, "", "x_embedder.proj.weight", 4, d, g->in_channels, p, p);
  add(&list, "", "x_embedder.proj.bias", 1, d, 1, 1, 1);
  add_linear(&list, "", "t_embedder.mlp.0", d, 256);
  add_linear(&list, "", "t_embedder.mlp.2", d, d);
  add(&list, "", "y_embedder.embedding_table.weight", 2, g->class_rows, d, 1, 1);
  for (int64_t n = 0; n < g->depth; n++) {
    snprintf(block, sizeof block, "blocks.%d.", (int)n);
    add_linear(&list, block, "attn.qkv", 3 * d, d);
    add_linear(&list, block, "attn.proj", d, d);
    add_linear(&list, block, "mlp.fc1", g->mlp, d);
    add_linear(&list, block, "mlp.fc2", d, g->mlp);
    add_linear(&list, block, "adaLN_modulation.1", 6 * d, d);
  }
  add_linear(&list, "", "final_layer.linear", p * p * g->out_channels, d);
  add_linear(&list, "", "final_layer.adaLN_modulation.1", 2 * d, d);
  return list.failed ? dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors") : DIT_OK;
}

static void add_conv(layout_list *list, const char *prefix, const char *name, int64_t in, int64_t out, int64_t kernel) {
  char both[64];
  snprintf(both, sizeof both, "%s%s", prefix, name);
  add(list, both, ".weight", 4, out, in, kernel, kernel);
  add(list, both, ".bias", 1, out, 1, 1, 1);
}

static void add_norm(layout_list *list, const char *prefix, const char *name, int64_t channels) {
  char both[64];
  snprintf(both, sizeof both, "%s%s", prefix, name);
  add(list, both, ".weight", 1, channels, 1, 1, 1);
  add(list, both, ".bias", 1, channels, 1, 1, 1);
}

static void add_resnet(layout_list *list, const char *prefix, int64_t in, int64_t out) {
  add_norm(list, prefix, ".norm1", in);
  add_conv(list, prefix, ".conv1", in, out, 3);
  add_norm(list, prefix, ".norm2", out);
  add_conv(list, prefix, ".conv2", out, out, 3);
  if (in != out) add_conv(list, prefix, ".conv_shortcut", in, out, 1);
}

static void add_middle(layout_list *list, const char *side, int64_t channels) {
  static const char *const parts[] = {"to_q", "to_k", "to_v", "to_out.0"};
  char prefix[48];
  snprintf(prefix, sizeof prefix, "%s.mid_block.attentions.0.", side);
  add_norm(list, prefix, "group_norm", channels);
  for (int i = 0; i < 4; i++) add_linear(list, prefix, parts[i], channels, channels);
  for (int i = 0; i < 2; i++) {
    snprintf(prefix, sizeof prefix, "%s.mid_block.resnets.%d", side, i);
    add_resnet(list, prefix, channels, channels);
  }
}

static void add_encoder(layout_list *list, const vae_geometry *g) {
  char prefix[48];
  int64_t channels = g->blocks[0];
  add_conv(list, "", "encoder.conv_in", g->image_channels, channels, 3);
  for (int64_t i = 0; i < g->levels; i++) {
    for (int64_t j = 0; j < g->layers; j++) {
      snprintf(prefix, sizeof prefix, "encoder.down_blocks.%d.resnets.%d", (int)i, (int)j);
      add_resnet(list, prefix, channels, g->blocks[i]);
      channels = g->blocks[i];
    }
    snprintf(prefix, sizeof prefix, "encoder.down_blocks.%d.downsamplers.0.", (int)i);
    if (i + 1 < g->levels) add_conv(list, prefix, "conv", channels, channels, 3);
  }
  add_middle(list, "encoder", channels);
  add_norm(list, "", "encoder.conv_norm_out", channels);
  add_conv(list, "", "encoder.conv_out", channels, 2 * g->latent_channels, 3);
}

static void add_decoder(layout_list *list, const vae_geometry *g) {
  char prefix[48];
  int64_t channels = g->blocks[g->levels - 1];
  add_conv(list, "", "decoder.conv_in", g->latent_channels, channels, 3);
  for (int64_t i = 0; i < g->levels; i++) {
    int64_t width = g->blocks[g->levels - 1 - i];
    for (int64_t j = 0; j <= g->layers; j++) {
      snprintf(prefix, sizeof prefix, "decoder.up_blocks.%d.resnets.%d", (int)i, (int)j);
      add_resnet(list, prefix, channels, width);
      channels = width;
    }
    snprintf(prefix, sizeof prefix, "decoder.up_blocks.%d.upsamplers.0.", (int)i);
    if (i + 1 < g->levels) add_conv(list, prefix, "conv", channels, channels, 3);
  }
  add_middle(list, "decoder", g->blocks[g->levels - 1]);
  add_norm(list, "", "decoder.conv_norm_out", g->blocks[0]);
  add_conv(list, "", "decoder.conv_out", g->blocks[0], g->image_channels, 3);
}

dit_status layout_vae(const vae_geometry *g, layout *out, dit_error *error) {
  layout_list list = {out, 0};
  add_encoder(&list, g);
  add_decoder(&list, g);
  add_conv(&list, "", "quant_conv", 2 * g->latent_channels, 2 * g->latent_channels, 1);
  add_conv(&list, "", "post_quant_conv", g->latent_channels, g->latent_channels, 1);
  return list.failed ? dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors") : DIT_OK;
}

void layout_free(layout *l) {
  free(l->tensors);
  memset(l, 0, sizeof *l);
}

void layout_variant(const dit_geometry *g, char *out, size_t room) {
  static const struct {
    const char *name;
    int64_t hidden, depth, heads;
  } known[] = {{"S", 384, 12, 6}, {"B", 768, 12, 12}, {"L", 1024, 24, 16}, {"XL", 1152, 28, 16}};
  for (int i = 0; i < 4; i++) {
    if (g->hidden == known[i].hidden && g->depth == known[i].depth && g->heads == known[i].heads) {
      snprintf(out, room, "DiT-%s/%d", known[i].name, (int)g->patch);
      return;
    }
  }
  snprintf(out, room, "DiT %dx%dx%d/%d", (int)g->hidden, (int)g->depth, (int)g->heads, (int)g->patch);
}

/* ---- From the tensors to the geometry ---- */

const source_tensor *layout_find(const source *s, const char *name) {
  for (size_t i = 0; i < s->count; i++)
    if (strcmp(s->tensors[i].name, name) == 0) return &s->tensors[i];
  return NULL;
}

/* A tensor the geometry is read from. */
static const source_tensor *anchor(const source *s, const char *name, int rank, dit_error *error) {
  const source_tensor *t = layout_find(s, name);
  if (!t) {
    dit__fail(error, DIT_ERROR_FORMAT, "tensor %s is missing", name);
    return NULL;
  }
  int sound = t->rank == rank;
  for (int i = 0; sound && i < rank; i++) sound = t->shape[i] >= 1 && t->shape[i] < (uint64_t)1 << 31;
  if (sound) return t;
  dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: must have rank %d and extents below 2^31", name, rank);
  return NULL;
}

/* One more than the greatest number N < limit in the names that begin with prefix N "."; 0 if there is none. */
static int64_t count_of(const source *s, const char *prefix, int64_t limit) {
  size_t length = strlen(prefix);
  int64_t count = 0;
  for (size_t i = 0; i < s->count; i++) {
    const char *name = s->tensors[i].name;
    if (strncmp(name, prefix, length)) continue;
    int64_t n = 0;
    const char *digit = name + length;
    while (*digit >= '0' && *digit <= '9' && n < limit) n = 10 * n + (*digit++ - '0');
    if (digit > name + length && *digit == '.' && n < limit && n >= count) count = n + 1;
  }
  return count;
}

static dit_status deduce_heads(dit_geometry *g, const layout_hints *hints, char *note, size_t room, dit_error *error) {
  static const int64_t known[][2] = {{384, 6}, {768, 12}, {1024, 16}, {1152, 16}};
  g->heads = hints->heads;
  for (int i = 0; i < 4 && !g->heads; i++)
    if (g->hidden == known[i][0]) g->heads = known[i][1];
  if (g->heads) return DIT_OK;
  if (g->hidden % 64)
    return dit__fail(
        error, DIT_ERROR_ARGUMENT,
        "a hidden size of %d does not tell the number of attention heads, nor do the tensors; give --heads N",
        (int)g->hidden);
  g->heads = g->hidden / 64;
  snprintf(note, room, "assuming %d heads of 64 channels; --heads N says otherwise", (int)g->heads);
  return DIT_OK;
}

static dit_status deduce_latent(const source *s, dit_geometry *g, const layout_hints *hints, dit_error *error) {
  int64_t grid = 1;
  if (!layout_find(s, "pos_embed")) {
    g->latent = hints->latent;
    if (g->latent) return DIT_OK;
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "tensor pos_embed is missing; it can be computed if --latent N gives the side of the latent");
  }
  const source_tensor *t = anchor(s, "pos_embed", 3, error);
  if (!t) return DIT_ERROR_FORMAT;
  while (grid * grid < (int64_t)t->shape[1]) grid++;
  if (grid * grid != (int64_t)t->shape[1] || t->shape[0] != 1)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor pos_embed: %d positions make no square grid", (int)t->shape[1]);
  g->latent = grid * g->patch;
  if (hints->latent && hints->latent != g->latent)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "tensor pos_embed makes the side of the latent %d, not the %d of --latent", (int)g->latent,
                     (int)hints->latent);
  return DIT_OK;
}

dit_status layout_deduce_dit(const source *s, const layout_hints *hints, dit_geometry *g, char *note, size_t room,
                             dit_error *error) {
  memset(g, 0, sizeof *g);
  *note = 0;
  const source_tensor *patches = anchor(s, "x_embedder.proj.weight", 4, error);
  const source_tensor *labels = patches ? anchor(s, "y_embedder.embedding_table.weight", 2, error) : NULL;
  const source_tensor *last = labels ? anchor(s, "final_layer.linear.weight", 2, error) : NULL;
  const source_tensor *mlp = last ? anchor(s, "blocks.0.mlp.fc1.weight", 2, error) : NULL;
  if (!mlp) return DIT_ERROR_FORMAT;
  g->hidden = (int64_t)patches->shape[0];
  g->in_channels = (int64_t)patches->shape[1];
  g->patch = (int64_t)patches->shape[2];
  g->class_rows = (int64_t)labels->shape[0];
  g->mlp = (int64_t)mlp->shape[0];
  g->depth = count_of(s, "blocks.", LAYOUT_BLOCKS);
  g->out_channels = (int64_t)last->shape[0] / (g->patch * g->patch);
  if (g->out_channels != g->in_channels && g->out_channels != 2 * g->in_channels)
    return dit__fail(
        error, DIT_ERROR_FORMAT,
        "tensor final_layer.linear.weight: %d rows; with %d channels and patches of %d there must be %d, or "
        "twice that with a learned variance",
        (int)last->shape[0], (int)g->in_channels, (int)g->patch, (int)(g->patch * g->patch * g->in_channels));
  dit_status status = deduce_heads(g, hints, note, room, error);
  if (!status) status = deduce_latent(s, g, hints, error);
  if (status) return status;
  return layout_check_dit(g, error) ? DIT_OK : DIT_ERROR_FORMAT;
}

/* ---- config.json of an autoencoder ---- */

static dit_status config_disagrees(const char *key, const char *says, int64_t have, dit_error *error) {
  return dit__fail(error, DIT_ERROR_FORMAT, "config.json: %s is %s, but the tensors' shapes say %d", key, says,
                   (int)have);
}

static dit_status config_integer(const json_value *config, const char *key, int64_t have, dit_error *error) {
  const json_value *v = json_member(config, key);
  int64_t says;
  if (!v || (json_integer(v, INT64_MIN, INT64_MAX, &says) && says == have)) return DIT_OK;
  return config_disagrees(key, v->kind == JSON_NUMBER ? v->text : "no number", have, error);
}

static dit_status config_blocks(const json_value *config, const vae_geometry *g, dit_error *error) {
  const json_value *v = json_member(config, "block_out_channels");
  int64_t says, i = 0;
  if (!v) return DIT_OK;
  if (v->kind != JSON_ARRAY || (int64_t)v->count != g->levels)
    return dit__fail(error, DIT_ERROR_FORMAT,
                     "config.json: block_out_channels must have %d numbers, as the tensors say", (int)g->levels);
  for (const json_value *e = v->child; e; e = e->next, i++)
    if (!json_integer(e, INT64_MIN, INT64_MAX, &says) || says != g->blocks[i])
      return config_disagrees("block_out_channels", e->kind == JSON_NUMBER ? e->text : "no number", g->blocks[i],
                              error);
  return DIT_OK;
}

/* A string, or all strings of an array, must be the one kind this library knows. */
static dit_status config_kind(const json_value *config, const char *key, const char *kind, dit_error *error) {
  const json_value *v = json_member(config, key);
  if (!v) return DIT_OK;
  for (const json_value *e = v->kind == JSON_ARRAY ? v->child : v; e; e = v->kind == JSON_ARRAY ? e->next : NULL)
    if (e->kind != JSON_STRING || strcmp(e->text, kind))
      return dit__fail(error, DIT_ERROR_UNSUPPORTED, "config.json: %s must be \"%s\"", key, kind);
  return DIT_OK;
}

static dit_status config_scale(const json_value *config, vae_geometry *g, dit_error *error) {
  const json_value *v = json_member(config, "scaling_factor"), *shift = json_member(config, "shift_factor");
  if (shift && shift->kind != JSON_NULL && !(shift->kind == JSON_NUMBER && shift->number == 0))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "config.json: shift_factor is not supported");
  if (v && v->kind != JSON_NUMBER)
    return dit__fail(error, DIT_ERROR_FORMAT, "config.json: scaling_factor is no number");
  if (v) g->scaling_factor = v->number;
  return DIT_OK;
}

/* Checks a configuration against the shapes, and takes from it what they cannot tell. */
static dit_status read_config(const json_value *config, const layout_hints *hints, vae_geometry *g, dit_error *error) {
  dit_status status = config_blocks(config, g, error);
  if (!status) status = config_integer(config, "layers_per_block", g->layers, error);
  if (!status) status = config_integer(config, "in_channels", g->image_channels, error);
  if (!status) status = config_integer(config, "out_channels", g->image_channels, error);
  if (!status) status = config_integer(config, "latent_channels", g->latent_channels, error);
  if (!status) status = config_kind(config, "act_fn", "silu", error);
  if (!status) status = config_kind(config, "down_block_types", "DownEncoderBlock2D", error);
  if (!status) status = config_kind(config, "up_block_types", "UpDecoderBlock2D", error);
  if (!status) status = config_scale(config, g, error);
  const json_value *groups = json_member(config, "norm_num_groups");
  if (status || !groups) return status;
  if (!json_integer(groups, 1, 8192, &g->groups))
    return dit__fail(error, DIT_ERROR_FORMAT, "config.json: norm_num_groups must be a whole number");
  if (hints->groups && hints->groups != g->groups)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "config.json: norm_num_groups is %d, but --groups says %d",
                     (int)g->groups, (int)hints->groups);
  return DIT_OK;
}

static dit_status deduce_blocks(const source *s, vae_geometry *g, dit_error *error) {
  char name[64];
  g->levels = count_of(s, "encoder.down_blocks.", LAYOUT_LEVELS);
  g->layers = count_of(s, "encoder.down_blocks.0.resnets.", 64);
  if (!g->levels || !g->layers)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor encoder.down_blocks.0.resnets.0.conv1.weight is missing");
  for (int64_t i = 0; i < g->levels; i++) {
    snprintf(name, sizeof name, "encoder.down_blocks.%d.resnets.0.conv1.weight", (int)i);
    const source_tensor *t = anchor(s, name, 4, error);
    if (!t) return DIT_ERROR_FORMAT;
    g->blocks[i] = (int64_t)t->shape[0];
  }
  return DIT_OK;
}

dit_status layout_deduce_vae(const source *s, const layout_hints *hints, vae_geometry *g, char *note, size_t room,
                             dit_error *error) {
  memset(g, 0, sizeof *g);
  *note = 0;
  const source_tensor *image = anchor(s, "encoder.conv_in.weight", 4, error);
  const source_tensor *latent = image ? anchor(s, "decoder.conv_in.weight", 4, error) : NULL;
  if (!latent) return DIT_ERROR_FORMAT;
  g->image_channels = (int64_t)image->shape[1];
  g->latent_channels = (int64_t)latent->shape[1];
  g->groups = hints->groups;
  dit_status status = deduce_blocks(s, g, error);
  if (!status && s->config) status = read_config(s->config, hints, g, error);
  if (status) return status;
  if (!g->groups) {
    g->groups = 32;
    snprintf(note, room, "assuming 32 groups of channels; --groups N says otherwise");
    for (int64_t i = 0; i < g->levels; i++)
      if (g->blocks[i] % 32)
        return dit__fail(
            error, DIT_ERROR_ARGUMENT,
            "the tensors do not tell the number of groups of the norms, and 32 does not divide a width of %d; "
            "give --groups N",
            (int)g->blocks[i]);
  }
  if (hints->scaling_factor != 0) g->scaling_factor = hints->scaling_factor;
  if (g->scaling_factor == 0) {
    g->scaling_factor = 0.18215;
    size_t used = strlen(note);
    snprintf(note + used, room - used, "%sassuming a scaling factor of 0.18215; --scaling-factor X says otherwise",
             used ? "; " : "");
  }
  return layout_check_vae(g, error) ? DIT_OK : DIT_ERROR_FORMAT;
}

/* ---- Matching ---- */

static int compare_names(const void *a, const void *b) {
  return strcmp((*(const source_tensor *const *)a)->name, (*(const source_tensor *const *)b)->name);
}

static void shape_text(int rank, const uint64_t *shape, char *out, size_t room) {
  size_t used = (size_t)snprintf(out, room, "[");
  for (int i = 0; i < rank && used < room; i++)
    used += (size_t)snprintf(out + used, room - used, "%s%" PRIu64, i ? ", " : "", shape[i]);
  if (used < room) snprintf(out + used, room - used, "]");
}

/* What is wrong with a checkpoint: ten lines, and how many more. */
typedef struct findings {
  char *report;
  size_t room, used;
  int missing, surplus, misshapen;
} findings;

static void note_finding(findings *f, const char *format, ...) {
  va_list arguments;
  int lines = f->missing + f->surplus + f->misshapen;
  if (lines > 10 || f->used >= f->room) return;
  va_start(arguments, format);
  int length = vsnprintf(f->report + f->used, f->room - f->used, format, arguments);
  va_end(arguments);
  if (length > 0) f->used += (size_t)length;
}

static int same_shape(const layout_tensor *e, const source_tensor *t) {
  int same = e->rank == t->rank;
  for (int i = 0; same && i < e->rank; i++) same = e->shape[i] == t->shape[i];
  return same;
}

static const source_tensor *match_one(const layout_tensor *e, const source_tensor **sorted, size_t count, uint8_t *used,
                                      findings *f) {
  char have[160], want[96];
  source_tensor key;
  const source_tensor *wanted = &key;
  key.name = (char *)(uintptr_t)e->name;
  const source_tensor **hit = (const source_tensor **)bsearch(&wanted, sorted, count, sizeof *sorted, compare_names);
  if (!hit) {
    if (strcmp(e->name, "pos_embed") == 0) return NULL;
    f->missing++;
    note_finding(f, "  missing: %s\n", e->name);
    return NULL;
  }
  used[hit - sorted] = 1;
  if (same_shape(e, *hit)) return *hit;
  f->misshapen++;
  shape_text((*hit)->rank, (*hit)->shape, have, sizeof have);
  shape_text(e->rank, e->shape, want, sizeof want);
  note_finding(f, "  wrong shape: %s is %s, expected %s\n", e->name, have, want);
  return NULL;
}

dit_status layout_match(const layout_tensor *expected, size_t count, const source *s, const source_tensor **found,
                        char *report, size_t room, dit_error *error) {
  findings f = {report, room, 0, 0, 0, 0};
  *report = 0;
  const source_tensor **sorted = (const source_tensor **)malloc((s->count + 1) * sizeof *sorted);
  uint8_t *used = (uint8_t *)calloc(s->count + 1, 1);
  if (!sorted || !used) {
    free(sorted);
    free(used);
    return dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors");
  }
  for (size_t i = 0; i < s->count; i++) sorted[i] = &s->tensors[i];
  qsort(sorted, s->count, sizeof *sorted, compare_names);
  for (size_t i = 0; i < count; i++) found[i] = match_one(&expected[i], sorted, s->count, used, &f);
  for (size_t i = 0; i < s->count; i++) {
    if (used[i]) continue;
    f.surplus++;
    note_finding(&f, "  surplus: %s\n", sorted[i]->name);
  }
  free(sorted);
  free(used);
  int wrong = f.missing + f.surplus + f.misshapen;
  if (!wrong) return DIT_OK;
  if (wrong > 10 && f.used < room) snprintf(report + f.used, room - f.used, "  and %d more\n", wrong - 10);
  return dit__fail(error, DIT_ERROR_FORMAT, "of %d tensors expected, %d missing, %d of the wrong shape; %d surplus",
                   (int)count, f.missing, f.misshapen, f.surplus);
}
