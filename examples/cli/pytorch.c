/* --reference and --diffusers: the pictures that two PyTorch programs make of a seed. */
#include "pytorch.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

const char *pytorch_name(int32_t program) {
  return program == PYTORCH_OFFICIAL ? "sample.py" : program == PYTORCH_DIFFUSERS ? "DiTPipeline" : NULL;
}

static int is_official_spacing(int32_t spacing) { return spacing == DIT_SPACING_EVEN || spacing == DIT_SPACING_DDIM; }

static int official_defaults(const dit_info *info, dit_params *p) {
  if (!p->sampler) p->sampler = DIT_SAMPLER_DDPM;
  if (p->sampler == DIT_SAMPLER_DPMPP)
    return fail(EXIT_USAGE, "--sampler: must be ddpm or ddim with --reference, as the official code has no other");
  if (!p->timestep_spacing) p->timestep_spacing = DIT_SPACING_EVEN;
  if (!is_official_spacing(p->timestep_spacing))
    return fail(EXIT_USAGE, "--timestep-spacing: must be even or ddim with --reference");
  if (!p->steps) p->steps = 250;
  if (!p->guidance_channels) p->guidance_channels = info->latent_channels > 3 ? 3 : -1;
  if (!p->variance_type) p->variance_type = info->learned_sigma ? DIT_VARIANCE_LEARNED_RANGE : DIT_VARIANCE_FIXED_LARGE;
  if (!p->clip_sample) p->clip_sample = DIT_CLIP_OFF;
  return EXIT_OK;
}

static int diffusers_defaults(const dit_info *info, dit_params *p) {
  /* A model that was converted from a pipeline brings the settings of that pipeline's scheduler. */
  const int has_scheduler = info->timestep_spacing && !is_official_spacing(info->timestep_spacing);
  if (!p->sampler) p->sampler = has_scheduler ? info->sampler : DIT_SAMPLER_DDIM;
  if (!p->timestep_spacing && !has_scheduler)
    p->timestep_spacing = p->sampler == DIT_SAMPLER_DPMPP ? DIT_SPACING_LINSPACE : DIT_SPACING_LEADING;
  if (is_official_spacing(p->timestep_spacing))
    return fail(EXIT_USAGE, "--timestep-spacing: must be leading, trailing or linspace with --diffusers");
  if (!p->steps) p->steps = 50;
  if (p->guidance_scale < 1) p->guidance_scale = 1; /* DiTPipeline guides only above 1 */
  if (!p->guidance_channels) p->guidance_channels = -1;
  if (!p->variance_type) /* DiTPipeline drops the learned variance before it calls the scheduler */
    p->variance_type =
        info->variance_type == DIT_VARIANCE_FIXED_LARGE ? DIT_VARIANCE_FIXED_LARGE : DIT_VARIANCE_FIXED_SMALL;
  return EXIT_OK;
}

int pytorch_defaults(int program, const dit_info *info, dit_params *p) {
  if (p->guidance_scale == 0 && info->null_class >= 0) p->guidance_scale = 4;
  p->generator = DIT_GENERATOR_TORCH;
  return program == PYTORCH_OFFICIAL ? official_defaults(info, p) : diffusers_defaults(info, p);
}

const char *pytorch_classes(int program, const dit_info *info) {
  return program == PYTORCH_OFFICIAL && info->class_count == 1000 ? "207,360,387,974,88,979,417,279" : NULL;
}

int pytorch_draw(int program, const pytorch_batch *batch, const dit_info *info, const dit_params *p, float **noise,
                 float **step_noise) {
  const int32_t factor = info->vae_scale_factor ? info->vae_scale_factor : 1;
  const size_t latent = (size_t)info->latent_channels * (size_t)(p->height / factor) * (size_t)(p->width / factor);
  const size_t wanted = (size_t)p->count * latent, first = (size_t)batch->first * latent;
  const size_t all = (size_t)batch->size * latent;
  /* With guidance, each step draws noise for both halves of the doubled batch, and only the first half is used. A
   * program also draws for steps that add no noise, but that has no effect on any picture. */
  const size_t doubled = program == PYTORCH_OFFICIAL || p->guidance_scale > 1 ? 2 : 1;
  const int noisy = p->sampler == DIT_SAMPLER_DDPM || (p->sampler == DIT_SAMPLER_DDIM && p->eta > 0);
  dit_rng *rng = NULL;
  float *drawn = (float *)calloc(all, 2 * sizeof *drawn);
  *noise = (float *)calloc(wanted, sizeof **noise);
  *step_noise = noisy ? (float *)calloc((size_t)p->steps * (size_t)p->count, latent * sizeof **step_noise) : NULL;
  const int good = drawn && *noise && (*step_noise || !noisy) &&
                   dit_rng_open(DIT_GENERATOR_TORCH, batch->seed, &rng, NULL) == DIT_OK;
  if (good) {
    dit_rng_normal(rng, (int64_t)all, drawn);
    memcpy(*noise, drawn + first, wanted * sizeof *drawn);
  }
  for (size_t k = 0; k < (size_t)p->steps && good && noisy; k++) {
    dit_rng_normal(rng, (int64_t)(doubled * all), drawn);
    memcpy(*step_noise + k * wanted, drawn + first, wanted * sizeof *drawn);
  }
  dit_rng_close(rng);
  free(drawn);
  return good ? EXIT_OK : fail(EXIT_FAILED, "out of memory for the noise of %d pictures", batch->size);
}
