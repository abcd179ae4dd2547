#include "weights/convert/shape/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"

uint64_t layout_elements(const layout_tensor *t) { return t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3]; }

static int between(const char *what, int64_t value, int64_t low, int64_t high, dit_error *error) {
  if (value >= low && value <= high) return 1;
  dit__fail(error, DIT_ERROR_ARGUMENT, "%s is %" PRId64 ", not within %" PRId64 " and %" PRId64, what, value, low,
            high);
  return 0;
}

int layout_check_dit(const transformer_geometry *g, dit_error *error) {
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

int layout_check_vae(const autoencoder_geometry *g, dit_error *error) {
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

dit_status layout_dit(const transformer_geometry *g, layout *out, dit_error *error) {
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

static void add_encoder(layout_list *list, const autoencoder_geometry *g) {
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

static void add_decoder(layout_list *list, const autoencoder_geometry *g) {
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

dit_status layout_vae(const autoencoder_geometry *g, layout *out, dit_error *error) {
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

void layout_variant(const transformer_geometry *g, char *out, size_t room) {
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
