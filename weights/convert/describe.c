#include "weights/convert/describe.h"

#include <stdio.h>
#include <string.h>

#include "dit.h"

void describe_types(const checkpoint *s, char out[48]) {
  static const char *const names[] = {"", "f32", "f16", "bf16", "f64", "q8", "q4"};
  size_t used = 0;
  *out = 0;
  for (int type = CHECKPOINT_F32; type <= CHECKPOINT_Q4; type++) {
    size_t i = 0;
    while (i < s->count && (s->tensors[i].parts ? s->tensors[i].parts : &s->tensors[i])->type != type) i++;
    if (i < s->count) used += (size_t)snprintf(out + used, 48 - used, "%s%s", used ? " and " : "", names[type]);
  }
}

static void describe_dit(const model_content *m, const convert_options *options) {
  char variant[64];
  const transformer_geometry *g = &m->dit;
  int64_t classes = options->null_class == NULL_CLASS_ABSENT ? g->class_rows : g->class_rows - 1;
  layout_variant(g, variant, sizeof variant);
  printf(
      "  %s: %d blocks of %d channels, %d heads; latents of %dx%dx%d; %d classes %s a null class; %s variance; %.2f M "
      "parameters\n",
      variant, (int)g->depth, (int)g->hidden, (int)g->heads, (int)g->in_channels, (int)g->latent, (int)g->latent,
      (int)classes, options->null_class == NULL_CLASS_ABSENT ? "without" : "and",
      g->out_channels != g->in_channels ? "learned" : "fixed",
      (double)content_parameters(m, NETWORK_TRANSFORMER) / 1e6);
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
