/* --reference and --diffusers: pictures as two programs of PyTorch make them from a seed. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

const char *program_name(int32_t program) {
  return program == PROGRAM_OFFICIAL ? "sample.py" : program == PROGRAM_DIFFUSERS ? "DiTPipeline" : NULL;
}

static int is_official_spacing(int32_t spacing) { return spacing == DIT_SPACING_EVEN || spacing == DIT_SPACING_DDIM; }

int program_defaults(int program, const dit_info *info, dit_params *p) {
  const int official = program == PROGRAM_OFFICIAL,
            pipeline = info->timestep_spacing && !is_official_spacing(info->timestep_spacing);
  if (!p->sampler) p->sampler = official ? DIT_SAMPLER_DDPM : pipeline ? info->sampler : DIT_SAMPLER_DDIM;
  if (official && p->sampler == DIT_SAMPLER_DPMPP)
    return fail(EXIT_USAGE, "--reference: the official code samples with ddpm and ddim only");
  if (!p->timestep_spacing && official) p->timestep_spacing = DIT_SPACING_EVEN;
  if (!p->timestep_spacing && !pipeline)
    p->timestep_spacing = p->sampler == DIT_SAMPLER_DPMPP ? DIT_SPACING_LINSPACE : DIT_SPACING_LEADING;
  if (official != is_official_spacing(p->timestep_spacing))
    return fail(EXIT_USAGE, "--spacing: %s",
                official ? "with --reference, even or ddim" : "with --diffusers, leading, trailing or linspace");
  if (!p->steps) p->steps = official ? 250 : 50;
  if (p->guidance_scale == 0 && info->null_class >= 0) p->guidance_scale = 4;
  if (!official && p->guidance_scale < 1) p->guidance_scale = 1; /* DiTPipeline guides above 1 only */
  if (!p->guidance_channels) p->guidance_channels = official && info->latent_channels > 3 ? 3 : -1;
  if (official && !p->variance_type)
    p->variance_type = info->learned_sigma ? DIT_VARIANCE_LEARNED_RANGE : DIT_VARIANCE_FIXED_LARGE;
  if (official && !p->clip_sample) p->clip_sample = DIT_CLIP_OFF;
  if (!official && !p->variance_type) /* its scheduler does not get to see the learned one */
    p->variance_type =
        info->variance_type == DIT_VARIANCE_FIXED_LARGE ? DIT_VARIANCE_FIXED_LARGE : DIT_VARIANCE_FIXED_SMALL;
  p->generator = DIT_GENERATOR_TORCH;
  return EXIT_OK;
}

const char *program_classes(int program, const dit_info *info) {
  return program == PROGRAM_OFFICIAL && info->class_count == 1000 ? "207,360,387,974,88,979,417,279" : NULL;
}

int program_draw(int program, const program_batch *batch, const dit_info *info, const dit_params *p, float **noise,
                 float **step_noise) {
  const int32_t factor = info->vae_scale_factor ? info->vae_scale_factor : 1;
  const size_t latent = (size_t)info->latent_channels * (size_t)(p->height / factor) * (size_t)(p->width / factor);
  const size_t wanted = (size_t)p->count * latent, first = (size_t)batch->first * latent;
  const size_t all = (size_t)batch->size * latent;
  /* Each step draws for the batch of both passes, of which the first half is kept. Where no noise is added, nothing
   * can be seen of what is drawn. */
  const size_t doubled = program == PROGRAM_OFFICIAL || p->guidance_scale > 1 ? 2 : 1;
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
