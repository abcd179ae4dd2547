#include "weights/convert/shape/synthetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/elementary.h"
#include "lib/core/error.h"
#include "lib/model/variant.h"

/* ---- The rule ---- */

static uint64_t hash_name(const char *name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
  return hash;
}

static int ends_with(const char *name, const char *end) {
  size_t a = strlen(name), b = strlen(end);
  return a >= b && strcmp(name + a - b, end) == 0;
}

/* Returns the gain over weights that keep unit variance. The first suffix that fits counts. */
static double gain_of(const char *name) {
  static const struct {
    const char *suffix;
    double gain;
  } dit[] = {{"x_embedder.proj.weight", 1.0},    {"t_embedder.mlp.0.weight", 1.5},
             {"t_embedder.mlp.2.weight", 1.25},  {"attn.qkv.weight", 1.25},
             {"attn.proj.weight", 1.25},         {"mlp.fc1.weight", 1.0},
             {"mlp.fc2.weight", 1.25},           {"adaLN_modulation.1.weight", 1.25},
             {"final_layer.linear.weight", 1.0}, {"", 1.0}},
    vae[] = {{"to_q.weight", 1.5},
             {"to_k.weight", 1.5},
             {"to_v.weight", 1.0},
             {"to_out.0.weight", 1.0},
             {"decoder.conv_out.weight", 0.625},
             {"quant_conv.weight", 1.0}, /* post_quant_conv too */
             {"", 1.25}};
  int is_vae = strncmp(name, "vae.", 4) == 0;
  for (int i = 0;; i++) {
    const char *suffix = is_vae ? vae[i].suffix : dit[i].suffix;
    if (ends_with(name, suffix)) return is_vae ? vae[i].gain : dit[i].gain;
  }
}

synthetic_rule synthetic_rule_of(const dit__tensor *t) {
  synthetic_rule rule = {hash_name(t->name), 0, 0};
  double fan_in = 1;
  switch (t->role) {
    case DIT__ROLE_BIAS: rule.scale = 0.0625f; break;
    case DIT__ROLE_EMBEDDING: rule.scale = 0.75f; break;
    case DIT__ROLE_NORM:
      rule.scale = 0.125f;
      rule.norm = 1;
      break;
    default:
      for (uint32_t i = 1; i < t->rank; i++) fan_in *= (double)t->shape[i];
      rule.scale = (float)(gain_of(t->name) * sqrt(3.0 / fan_in));
  }
  return rule;
}

void synthetic_read(const synthetic_rule *rule, uint64_t first, uint64_t count, float *out) {
  for (uint64_t i = 0; i < count; i++) {
    uint64_t z = rule->seed + (first + i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    float unit = (float)((int32_t)(z >> 40) - (1 << 23)) * 0x1p-23f; /* exact, in [-1, 1) */
    float value = unit * rule->scale;
    out[i] = rule->norm ? 1 + value : value; /* the product is exact for norms, so fusing it changes no bit */
  }
}

void position_table(int64_t hidden, int64_t grid, uint64_t first, uint64_t count, float *out) {
  int64_t quarter = hidden / 4;
  const double log_10000 = 9.210340371976182736;
  for (uint64_t i = 0; i < count; i++) {
    int64_t token = (int64_t)((first + i) / (uint64_t)hidden), channel = (int64_t)((first + i) % (uint64_t)hidden);
    int64_t part = channel / quarter, j = channel % quarter;
    int64_t place = part < 2 ? token % grid : token / grid;
    double sine, cosine;
    dit__sincos((double)place * dit__exp(-log_10000 * (double)j / (double)quarter), &sine, &cosine);
    out[i] = (float)(part % 2 ? cosine : sine);
  }
}

/* ---- Specifications ---- */

static dit_status bad_spec(const char *text, const char *why, dit_error *error) {
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "synthetic model \"%s\": %s; write XL/2:256, sit-XL/2:256, vae, "
                   "dit:hidden=H,depth=D,heads=A[,patch=2,latent=32,in=4,"
                   "classes=1000,sigma=1] (of other blocks with :adaln, :in_context or :cross_attention behind it) or "
                   "vae:blocks=32+64[,layers=2,groups=32,in=3,out=3,latent=4,attention=0]",
                   text, why);
}

/* Takes a decimal number of at most nine digits. Returns what follows it, or NULL if there is no number. */
static const char *take_number(const char *text, int64_t *out) {
  int64_t value = 0;
  int digits = 0;
  for (; *text >= '0' && *text <= '9'; text++, digits++) {
    if (digits == 9) return NULL;
    value = 10 * value + (*text - '0');
  }
  *out = value;
  return digits ? text : NULL;
}

/* Parses "XL/2:256". */
static dit_status parse_name(const char *text, transformer_geometry *g, dit_error *error) {
  for (int i = 0; i < DIT__VARIANTS; i++) {
    const dit__variant *v = &dit__variants[i];
    const int64_t factor = g->family->pixels ? 1 : g->family->vae_factor ? g->family->vae_factor : 8;
    size_t length = strlen(v->name);
    int64_t pixels;
    if (strncmp(text, v->name, length) || text[length] != '/') continue;
    const char *rest = take_number(text + length + 1, &g->patch);
    if (!rest || *rest != ':' || !(rest = take_number(rest + 1, &pixels)) || *rest || pixels % factor)
      return bad_spec(text,
                      factor == 16 ? "after the size come the patch, a colon and a multiple of 16 pixels"
                                   : "after the size come the patch, a colon and a multiple of 8 pixels",
                      error);
    g->hidden = v->hidden;
    g->depth = v->depth;
    g->heads = v->heads;
    g->latent = pixels / factor;
    if (g->family->vae_channels) g->in_channels = g->family->vae_channels;
    return DIT_OK;
  }
  return bad_spec(text, "no such name", error);
}

typedef struct field {
  const char *name;
  int64_t *value;
  int given;
} field;

/* Parses "a=1,b=2"; "blocks=32+64" goes to `vae`. */
static dit_status parse_fields(const char *text, const char *at, field *fields, int count, autoencoder_geometry *vae,
                               dit_error *error) {
  for (;;) {
    const char *equals = strchr(at, '=');
    size_t length = equals ? (size_t)(equals - at) : 0;
    field *f = NULL;
    for (int i = 0; i < count && length; i++)
      if (strlen(fields[i].name) == length && strncmp(at, fields[i].name, length) == 0) f = &fields[i];
    if (!f) return bad_spec(text, "unknown field", error);
    if (f->given++) return bad_spec(text, "a field is given twice", error);
    at = take_number(equals + 1, f->value);
    if (f->value == &vae->blocks[0])
      for (vae->levels = 1; at && *at == '+' && vae->levels < DIT__MAX_VAE_LEVELS; vae->levels++)
        at = take_number(at + 1, &vae->blocks[vae->levels]);
    if (!at || (*at && *at != ',')) return bad_spec(text, "a number is missing", error);
    if (!*at) return DIT_OK;
    at++;
  }
}

/* Takes the kind of blocks from the end of "S/2:256:in_context", if there is one, and copies what precedes it. */
static dit_status take_block(const char *text, transformer_geometry *g, char *rest, size_t room, dit_error *error) {
  const char *colon = strrchr(text, ':');
  size_t length = strlen(text);
  for (int kind = 0; colon && kind < DIT__BLOCK_KINDS; kind++)
    if (strcmp(colon + 1, dit__block_words[kind]) == 0) {
      g->block_kind = (dit__block_kind)kind;
      length = (size_t)(colon - text);
    }
  if (length >= room) return bad_spec(text, "too long", error);
  memcpy(rest, text, length);
  rest[length] = 0;
  return DIT_OK;
}

/* Takes a family from the beginning of "sit-XL/2:256", and returns what follows it. */
static const char *take_family(const char *text, transformer_geometry *g) {
  char option[16];
  const size_t length = strcspn(text, "-");
  g->family = family_find("dit");
  if (!text[length] || length >= sizeof option) return text;
  memcpy(option, text, length);
  option[length] = 0;
  const family *found = family_find(option);
  if (!found) return text;
  g->family = found;
  return text + length + 1;
}

static dit_status parse_dit(const char *spec, transformer_geometry *g, dit_error *error) {
  char text[256];
  int64_t classes = 1000, sigma = 1;
  field fields[] = {{"hidden", &g->hidden, 0}, {"depth", &g->depth, 0},   {"heads", &g->heads, 0},
                    {"patch", &g->patch, 0},   {"latent", &g->latent, 0}, {"in", &g->in_channels, 0},
                    {"classes", &classes, 0},  {"sigma", &sigma, 0}};
  autoencoder_geometry unused;
  g->patch = 2;
  g->latent = 32;
  g->in_channels = 4;
  dit_status status = take_block(take_family(spec, g), g, text, sizeof text, error);
  if (!status && strncmp(text, "dit:", 4))
    status = parse_name(text, g, error);
  else if (!status)
    status = parse_fields(text, text + 4, fields, 8, &unused, error);
  if (status) return status;
  if (!g->hidden || !g->depth || !g->heads) return bad_spec(text, "hidden, depth and heads must be given", error);
  if (sigma > 1) return bad_spec(text, "sigma must be 0 or 1", error);
  if (g->patch < 1) return bad_spec(text, "the patch must be at least 1", error);
  g->out_channels = sigma && g->family->path == DIT__PATH_DIFFUSION ? 2 * g->in_channels : g->in_channels;
  g->class_rows = classes + !g->family->no_null_class;
  g->second_block = g->depth * 5 / 7; /* DMF's 20 of 28 */
  if (g->family->pixels) {
    g->bottleneck = g->hidden < 128 ? g->hidden / 4 : g->hidden >= 1280 ? 256 : 128;
    g->context = 32;
    g->context_block = g->depth / 3;
    g->in_channels = g->out_channels = 3;
  }
  g->norm = g->family->norm;
  g->mlp_kind = g->family->mlp_kind;
  g->qk_norm = g->family->qk_norm;
  g->mlp = g->mlp_kind == DIT__MLP_SWIGLU ? 8 * g->hidden / 3 : 4 * g->hidden;
  return layout_check_transformer(g, error) ? DIT_OK : DIT_ERROR_ARGUMENT;
}

static dit_status parse_vae(const char *text, autoencoder_geometry *g, dit_error *error) {
  int64_t out = 0;
  field fields[] = {{"blocks", &g->blocks[0], 0},         {"layers", &g->layers, 0}, {"groups", &g->groups, 0},
                    {"in", &g->image_channels, 0},        {"out", &out, 0},          {"latent", &g->latent_channels, 0},
                    {"attention", &g->level_attention, 0}};
  static const autoencoder_geometry usual = {4, {128, 256, 512, 512}, 2, 32, 3, 4, 0, 0.18215};
  *g = usual;
  if (text[3] == ':') {
    dit_status status = parse_fields(text, text + 4, fields, 7, g, error);
    if (status) return status;
    if (!fields[0].given) return bad_spec(text, "blocks must be given", error);
    if (fields[4].given && out != g->image_channels)
      return bad_spec(text, "in and out, the channels of the picture, must be equal", error);
  }
  return layout_check_autoencoder(g, error) ? DIT_OK : DIT_ERROR_ARGUMENT;
}

dit_status synthetic_parse(const char *text, int *kind, transformer_geometry *dit, autoencoder_geometry *vae,
                           dit_error *error) {
  *kind = strcmp(text, "vae") == 0 || strncmp(text, "vae:", 4) == 0 ? NETWORK_AUTOENCODER : NETWORK_TRANSFORMER;
  memset(*kind == NETWORK_AUTOENCODER ? (void *)vae : (void *)dit, 0,
         *kind == NETWORK_AUTOENCODER ? sizeof *vae : sizeof *dit);
  return *kind == NETWORK_AUTOENCODER ? parse_vae(text, vae, error) : parse_dit(text, dit, error);
}
