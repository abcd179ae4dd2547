#include "weights/convert/shape/infer.h"

#include <stdio.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/model/variant.h"

int infer_network(const checkpoint *s, dit_error *error) {
  if (checkpoint_find(s, "x_embedder.proj.weight") || checkpoint_find(s, "x_embedder.proj1.weight") ||
      checkpoint_find(s, "blocks.0.attn.qkv.weight"))
    return NETWORK_TRANSFORMER;
  if (checkpoint_find(s, "encoder.conv_in.weight") || checkpoint_find(s, "decoder.conv_in.weight"))
    return NETWORK_AUTOENCODER;
  if (s->count)
    dit__fail(error, DIT_ERROR_FORMAT, "holds neither a DiT nor an AutoencoderKL: %d tensors, the first being %.63s",
              (int)s->count, s->tensors[0].name);
  else
    dit__fail(error, DIT_ERROR_FORMAT, "holds no tensors");
  return 0;
}

/* Finds a tensor that the geometry is read from. */
static const checkpoint_tensor *anchor(const checkpoint *s, const char *name, int rank, dit_error *error) {
  const checkpoint_tensor *t = checkpoint_find(s, name);
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

/* Returns one more than the largest number N below `limit` of which a name begins with PREFIX N "."; 0 if there is
 * none. */
static int64_t count_of(const checkpoint *s, const char *prefix, int64_t limit) {
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

/* ---- config.json ---- */

static dit_status config_disagrees(const char *key, const char *says, int64_t have, dit_error *error) {
  return dit__fail(error, DIT_ERROR_FORMAT, "config.json: %s is %s, but the tensors' shapes say %d", key, says,
                   (int)have);
}

static dit_status config_integer(const json_value *config, const char *key, int64_t have, dit_error *error) {
  const json_value *v = json_member(config, key);
  int64_t says;
  if (!v || v->kind == JSON_NULL || (json_integer(v, INT64_MIN, INT64_MAX, &says) && says == have)) return DIT_OK;
  return config_disagrees(key, v->kind == JSON_NUMBER ? v->text : "not a number", have, error);
}

/* Checks that a string, or every string of an array, is the one kind that the library knows. */
static dit_status config_kind(const json_value *config, const char *key, const char *kind, dit_error *error) {
  const json_value *v = json_member(config, key);
  if (!v) return DIT_OK;
  for (const json_value *e = v->kind == JSON_ARRAY ? v->child : v; e; e = v->kind == JSON_ARRAY ? e->next : NULL)
    if (e->kind != JSON_STRING || strcmp(e->text, kind))
      return dit__fail(error, DIT_ERROR_UNSUPPORTED, "config.json: %s must be \"%s\"", key, kind);
  return DIT_OK;
}

/* Reads a real number that may be absent. */
static dit_status config_real(const json_value *config, const char *key, double *out, dit_error *error) {
  const json_value *v = json_member(config, key);
  if (!v || v->kind == JSON_NULL) return DIT_OK;
  if (v->kind != JSON_NUMBER) return dit__fail(error, DIT_ERROR_FORMAT, "config.json: %s is not a number", key);
  *out = v->number;
  return DIT_OK;
}

/* Checks that a switch, if it is there, has the value that the library implements. */
static dit_status config_switch(const json_value *config, const char *key, int must, dit_error *error) {
  const json_value *v = json_member(config, key);
  if (!v || v->kind == (must ? JSON_TRUE : JSON_FALSE)) return DIT_OK;
  return dit__fail(error, DIT_ERROR_UNSUPPORTED, "config.json: %s must be %s", key, must ? "true" : "false");
}

/* ---- The transformer ---- */

/* Checks a configuration against the shapes, and reads what they cannot tell: heads, the side of the latent, and an
 * epsilon. */
static dit_status read_dit_config(const json_value *config, transformer_geometry *g, dit_error *error) {
  int64_t heads = 0, dim = 0;
  dit_status status = config_kind(config, "norm_type", "ada_norm_zero", error);
  if (!status) status = config_kind(config, "activation_fn", "gelu-approximate", error);
  if (!status) status = config_switch(config, "attention_bias", 1, error);
  if (!status) status = config_switch(config, "norm_elementwise_affine", 0, error);
  if (!status) status = config_integer(config, "in_channels", g->in_channels, error);
  if (!status) status = config_integer(config, "out_channels", g->out_channels, error);
  if (!status) status = config_integer(config, "patch_size", g->patch, error);
  if (!status) status = config_integer(config, "num_layers", g->depth, error);
  if (!status) status = config_integer(config, "num_embeds_ada_norm", g->class_rows - 1, error);
  if (!status) status = config_real(config, "norm_eps", &g->norm_eps, error);
  if (status) return status;
  if (!(g->norm_eps >= 0 && g->norm_eps <= 1))
    return dit__fail(error, DIT_ERROR_FORMAT, "config.json: norm_eps must be 0 to 1");
  g->null_known = json_member(config, "num_embeds_ada_norm") != NULL;
  json_integer(json_member(config, "sample_size"), 1, 4096, &g->latent);
  if (json_integer(json_member(config, "num_attention_heads"), 1, g->hidden, &heads) &&
      json_integer(json_member(config, "attention_head_dim"), 1, g->hidden, &dim) && heads * dim != g->hidden)
    return dit__fail(error, DIT_ERROR_FORMAT, "config.json: %d heads of %d channels do not make the hidden size of %d",
                     (int)heads, (int)dim, (int)g->hidden);
  g->heads = heads;
  return DIT_OK;
}

static dit_status infer_heads(transformer_geometry *g, const infer_hints *hints, char *note, size_t room,
                              dit_error *error) {
  if (hints->heads) g->heads = hints->heads;
  for (int i = 0; i < DIT__VARIANTS && !g->heads; i++)
    if (g->hidden == dit__variants[i].hidden) g->heads = dit__variants[i].heads;
  if (g->heads) return DIT_OK;
  if (g->hidden % 64)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "neither the hidden size of %d nor the tensors tell the number of attention heads; give --heads N",
                     (int)g->hidden);
  g->heads = g->hidden / 64;
  const size_t used = strlen(note);
  snprintf(note + used, room - used, "%sassuming %d heads of 64 channels; if that is wrong, give --heads N",
           used ? "; " : "", (int)g->heads);
  return DIT_OK;
}

static dit_status infer_latent(const checkpoint *s, transformer_geometry *g, const infer_hints *hints,
                               dit_error *error) {
  int64_t grid = 1;
  if (!checkpoint_find(s, "pos_embed")) {
    if (hints->latent) g->latent = hints->latent;
    if (g->latent) return DIT_OK;
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "tensor pos_embed is missing; it can be computed if --latent N gives the side of the latent");
  }
  const checkpoint_tensor *t = anchor(s, "pos_embed", 3, error);
  if (!t) return DIT_ERROR_FORMAT;
  while (grid * grid < (int64_t)t->shape[1]) grid++;
  if (grid * grid != (int64_t)t->shape[1] || t->shape[0] != 1)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor pos_embed: %d positions do not form a square grid",
                     (int)t->shape[1]);
  g->latent = grid * g->patch;
  if (hints->latent && hints->latent != g->latent)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "tensor pos_embed makes the side of the latent %d, not the %d of --latent", (int)g->latent,
                     (int)hints->latent);
  return DIT_OK;
}

/* The kind of the blocks: what only one kind has tells it. */
static dit_status infer_block_kind(const checkpoint *s, transformer_geometry *g, dit_error *error) {
  const char *modulation = "blocks.0.adaLN_modulation.1.weight";
  if (checkpoint_find(s, "blocks.0.cross_attn.q_linear.weight")) {
    g->block_kind = DIT__BLOCK_CROSS_ATTENTION;
  } else if (checkpoint_find(s, modulation)) {
    const checkpoint_tensor *t = anchor(s, modulation, 2, error);
    if (!t) return DIT_ERROR_FORMAT;
    g->block_kind = (int64_t)t->shape[0] == 4 * g->hidden ? DIT__BLOCK_ADALN : DIT__BLOCK_ADALN_ZERO;
  } else if (checkpoint_find(s, "blocks.0.norm1.weight")) {
    g->block_kind = DIT__BLOCK_IN_CONTEXT;
  }
  return DIT_OK;
}

/* Of DMF, whose published models have 28 blocks and switch at the 20th. */
static dit_status infer_second_block(transformer_geometry *g, const infer_hints *hints, char *note, size_t room,
                                     dit_error *error) {
  const size_t used = strlen(note);
  if (g->family->second_time != DIT__SECOND_TIME_END) return DIT_OK;
  g->second_block = hints->second_block ? hints->second_block - 1 : 20;
  if (!hints->second_block && g->depth != 28)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "nothing in the file tells from which of the %d blocks on the second time counts; give "
                     "--second-time-block N (dmf_depth)",
                     (int)g->depth);
  if (g->second_block > g->depth)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--second-time-block %d: the model has %d blocks", (int)g->second_block,
                     (int)g->depth);
  if (!hints->second_block && used < room)
    snprintf(note + used, room - used,
             "%sassuming that the second time counts from block 20 on, as in the published models; else give "
             "--second-time-block N",
             used ? "; " : "");
  return DIT_OK;
}

/* The class tokens of JiT, and the block that they join the sequence at: of the published sizes it is known. */
static dit_status infer_context(const checkpoint *s, transformer_geometry *g, const infer_hints *hints,
                                dit_error *error) {
  if (!checkpoint_find(s, "in_context_posemb")) return DIT_OK;
  const checkpoint_tensor *t = anchor(s, "in_context_posemb", 3, error);
  if (!t) return DIT_ERROR_FORMAT;
  g->context = (int64_t)t->shape[1];
  g->context_block = g->depth == 12 ? 4 : g->depth == 24 ? 8 : g->depth == 32 ? 10 : -1;
  if (hints->context_block) g->context_block = hints->context_block - 1;
  if (g->context_block >= 0 && g->context_block < g->depth) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "nothing in the file tells at which of the %d blocks the class tokens join the others; give "
                   "--context-block N (in_context_start)",
                   (int)g->depth);
}

dit_status infer_transformer(const checkpoint *s, const infer_hints *hints, transformer_geometry *g, char *note,
                             size_t room, dit_error *error) {
  memset(g, 0, sizeof *g);
  *note = 0;
  const int squeezed = checkpoint_find(s, "x_embedder.proj1.weight") != NULL;
  const checkpoint_tensor *patches =
      anchor(s, squeezed ? "x_embedder.proj1.weight" : "x_embedder.proj.weight", 4, error);
  const checkpoint_tensor *widened = squeezed && patches ? anchor(s, "x_embedder.proj2.weight", 4, error) : patches;
  const checkpoint_tensor *labels = widened ? anchor(s, "y_embedder.embedding_table.weight", 2, error) : NULL;
  const checkpoint_tensor *last = labels ? anchor(s, "final_layer.linear.weight", 2, error) : NULL;
  const int packed = checkpoint_find(s, "blocks.0.mlp.w12.weight") != NULL;
  const checkpoint_tensor *mlp =
      last ? anchor(s, packed ? "blocks.0.mlp.w12.weight" : "blocks.0.mlp.fc1.weight", 2, error) : NULL;
  if (!mlp) return DIT_ERROR_FORMAT;
  g->hidden = (int64_t)widened->shape[0];
  g->bottleneck = squeezed ? (int64_t)patches->shape[0] : 0;
  g->in_channels = (int64_t)patches->shape[1];
  g->patch = (int64_t)patches->shape[2];
  g->class_rows = (int64_t)labels->shape[0];
  g->mlp = (int64_t)mlp->shape[0] / (1 + packed);
  g->mlp_kind = packed || checkpoint_find(s, "blocks.0.mlp.gate.weight") ? DIT__MLP_SWIGLU : DIT__MLP_GELU;
  g->norm = checkpoint_find(s, "blocks.0.norm1.weight") && !checkpoint_find(s, "blocks.0.norm1.bias") ? DIT__NORM_RMS
                                                                                                      : DIT__NORM_LAYER;
  g->qk_norm = !checkpoint_find(s, "blocks.0.attn.q_norm.weight") ? DIT__QK_NORM_NONE
               : checkpoint_find(s, "blocks.0.attn.q_norm.bias")  ? DIT__QK_NORM_LAYER
                                                                  : DIT__QK_NORM_RMS;
  g->depth = count_of(s, "blocks.", MAX_BLOCKS);
  g->out_channels = (int64_t)last->shape[0] / (g->patch * g->patch);
  if (g->out_channels != g->in_channels && g->out_channels != 2 * g->in_channels)
    return dit__fail(
        error, DIT_ERROR_FORMAT,
        "tensor final_layer.linear.weight: %d rows; with %d channels and patches of %d there must be %d, or "
        "twice that with a learned variance",
        (int)last->shape[0], (int)g->in_channels, (int)g->patch, (int)(g->patch * g->patch * g->in_channels));
  dit_status status = family_choose(s, hints->family, &g->family, note, room, error);
  if (!status) status = infer_block_kind(s, g, error);
  if (!status && s->config) status = read_dit_config(s->config, g, error);
  if (!status) status = infer_heads(g, hints, note, room, error);
  if (!status) status = infer_latent(s, g, hints, error);
  if (!status) status = infer_second_block(g, hints, note, room, error);
  if (!status) status = infer_context(s, g, hints, error);
  if (status) return status;
  return layout_check_transformer(g, error) ? DIT_OK : DIT_ERROR_FORMAT;
}

/* ---- The autoencoder ---- */

static dit_status config_blocks(const json_value *config, const autoencoder_geometry *g, dit_error *error) {
  const json_value *v = json_member(config, "block_out_channels");
  int64_t says, i = 0;
  if (!v) return DIT_OK;
  if (v->kind != JSON_ARRAY || (int64_t)v->count != g->levels)
    return dit__fail(error, DIT_ERROR_FORMAT,
                     "config.json: block_out_channels must have %d numbers, as the tensors say", (int)g->levels);
  for (const json_value *e = v->child; e; e = e->next, i++)
    if (!json_integer(e, INT64_MIN, INT64_MAX, &says) || says != g->blocks[i])
      return config_disagrees("block_out_channels", e->kind == JSON_NUMBER ? e->text : "not a number", g->blocks[i],
                              error);
  return DIT_OK;
}

static dit_status config_scale(const json_value *config, autoencoder_geometry *g, dit_error *error) {
  static const char *const others[] = {"shift_factor", "latents_mean", "latents_std"};
  for (int i = 0; i < 3; i++) {
    const json_value *v = json_member(config, others[i]);
    if (v && v->kind != JSON_NULL && !(v->kind == JSON_NUMBER && v->number == 0))
      return dit__fail(error, DIT_ERROR_UNSUPPORTED, "config.json: %s is not supported", others[i]);
  }
  return config_real(config, "scaling_factor", &g->scaling_factor, error);
}

/* Checks a configuration against the shapes, and reads what they cannot tell. */
static dit_status read_vae_config(const json_value *config, const infer_hints *hints, autoencoder_geometry *g,
                                  dit_error *error) {
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
    return dit__fail(error, DIT_ERROR_FORMAT, "config.json: norm_num_groups must be an integer");
  if (hints->groups && hints->groups != g->groups)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "config.json: norm_num_groups is %d, but --groups says %d",
                     (int)g->groups, (int)hints->groups);
  return DIT_OK;
}

static dit_status infer_blocks(const checkpoint *s, autoencoder_geometry *g, dit_error *error) {
  char name[64];
  g->levels = count_of(s, "encoder.down_blocks.", DIT__MAX_VAE_LEVELS);
  g->layers = count_of(s, "encoder.down_blocks.0.resnets.", 64);
  if (!g->levels || !g->layers)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor encoder.down_blocks.0.resnets.0.conv1.weight is missing");
  snprintf(name, sizeof name, "encoder.down_blocks.%d.attentions.0.to_q.weight", (int)g->levels - 1);
  g->level_attention = checkpoint_find(s, name) != NULL;
  for (int64_t i = 0; i < g->levels; i++) {
    snprintf(name, sizeof name, "encoder.down_blocks.%d.resnets.0.conv1.weight", (int)i);
    const checkpoint_tensor *t = anchor(s, name, 4, error);
    if (!t) return DIT_ERROR_FORMAT;
    g->blocks[i] = (int64_t)t->shape[0];
  }
  return DIT_OK;
}

dit_status infer_autoencoder(const checkpoint *s, const infer_hints *hints, autoencoder_geometry *g, char *note,
                             size_t room, dit_error *error) {
  memset(g, 0, sizeof *g);
  *note = 0;
  const checkpoint_tensor *image = anchor(s, "encoder.conv_in.weight", 4, error);
  const checkpoint_tensor *latent = image ? anchor(s, "decoder.conv_in.weight", 4, error) : NULL;
  if (!latent) return DIT_ERROR_FORMAT;
  g->image_channels = (int64_t)image->shape[1];
  g->latent_channels = (int64_t)latent->shape[1];
  g->groups = hints->groups;
  dit_status status = infer_blocks(s, g, error);
  if (!status && s->config) status = read_vae_config(s->config, hints, g, error);
  if (status) return status;
  if (!g->groups) {
    g->groups = 32;
    snprintf(note, room, "assuming 32 groups of channels; if that is wrong, give --groups N");
    for (int64_t i = 0; i < g->levels; i++)
      if (g->blocks[i] % 32)
        return dit__fail(
            error, DIT_ERROR_ARGUMENT,
            "the tensors do not tell the number of groups of the norms, and 32 does not divide a width of %d; "
            "give --groups N",
            (int)g->blocks[i]);
  }
  if (hints->scaling_factor != 0) g->scaling_factor = hints->scaling_factor;
  if (hints->statistics && g->scaling_factor == 0) g->scaling_factor = 1;
  if (g->scaling_factor == 0) {
    g->scaling_factor = 0.18215;
    size_t used = strlen(note);
    snprintf(note + used, room - used,
             "%sassuming a scaling factor of 0.18215; if that is wrong, give --scaling-factor X", used ? "; " : "");
  }
  return layout_check_autoencoder(g, error) ? DIT_OK : DIT_ERROR_FORMAT;
}
