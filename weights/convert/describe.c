#include "weights/convert/describe.h"

#include <stdio.h>
#include <string.h>

#include "lib/model/variant.h"

/* Returns whether a checkpoint has tensors of a type. */
static int has_type(const checkpoint *s, int type) {
  for (size_t i = 0; i < s->count; i++)
    if ((s->tensors[i].parts ? s->tensors[i].parts : &s->tensors[i])->type == type) return 1;
  return 0;
}

void describe_types(const checkpoint *s, char out[64]) {
  static const struct {
    int type;
    const char *name;
  } types[] = {{CHECKPOINT_F32, "f32"},   {CHECKPOINT_F16, "f16"},   {CHECKPOINT_BF16, "bf16"}, {CHECKPOINT_F64, "f64"},
               {CHECKPOINT_E4M3, "e4m3"}, {CHECKPOINT_E5M2, "e5m2"}, {CHECKPOINT_Q8, "q8"},     {CHECKPOINT_Q4, "q4"}};
  size_t used = 0;
  *out = 0;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (has_type(s, types[i].type))
      used += (size_t)snprintf(out + used, 64 - used, "%s%s", used ? " and " : "", types[i].name);
}

static void describe_dit(const model_content *m, const convert_options *options) {
  char variant[64];
  const transformer_geometry *g = &m->dit;
  const int absent = options->null_class == NULL_CLASS_ABSENT || (!options->null_class && g->family->no_null_class);
  const int64_t classes = absent ? g->class_rows : g->class_rows - 1;
  dit__variant_name(g->family->name, (int32_t)g->hidden, (int32_t)g->depth, (int32_t)g->heads, (int32_t)g->patch,
                    variant, sizeof variant);
  printf(
      "  %s: %d blocks of %d channels, %d heads; latents of %dx%dx%d; %d classes %s a null class; %s; %.2f M "
      "parameters\n",
      variant, (int)g->depth, (int)g->hidden, (int)g->heads, (int)g->in_channels, (int)g->latent, (int)g->latent,
      (int)classes, absent ? "without" : "and",
      g->family->path != DIT__PATH_DIFFUSION ? "flow matching"
      : g->out_channels != g->in_channels    ? "learned variance"
                                             : "fixed variance",
      (double)content_parameters(m, NETWORK_TRANSFORMER) / 1e6);
  if (g->family->license) printf("  published weights of %s: %s\n", g->family->name, g->family->license);
}

static void describe_vae(const model_content *m) {
  const autoencoder_geometry *g = &m->vae;
  printf("  AutoencoderKL: widths");
  for (int64_t i = 0; i < g->levels; i++) printf("%s %d", i ? "," : "", (int)g->blocks[i]);
  printf("; %d channels at 1/%d of the size for pictures of %d; scaling factor %g; %.2f M parameters\n",
         (int)g->latent_channels, 1 << (g->levels - 1), (int)g->image_channels, g->scaling_factor,
         (double)content_parameters(m, NETWORK_AUTOENCODER) / 1e6);
}

void describe_network(const model_content *m, const convert_options *options, int network) {
  if (network == NETWORK_TRANSFORMER)
    describe_dit(m, options);
  else
    describe_vae(m);
}
