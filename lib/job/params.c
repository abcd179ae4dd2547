/* What a job is asked to make: every default filled in, every member checked. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/core/struct_size.h"
#include "lib/job/params.h"
#include "lib/sampling/schedule.h"

static dit_status params_range(const char *name, int32_t value, int32_t low, int32_t high, dit_error *error) {
  if (value >= low && value <= high) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: %s is %d; it must be %d to %d", name, value, low, high);
}

/* Reals in thousandths, so that no locale writes them differently. */
static dit_status params_real(const char *name, float value, int32_t low, int32_t high, dit_error *error) {
  if (value >= (float)low && value <= (float)high) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: %s must be a number from %d to %d", name, low, high);
}

/* Ranges that do not depend on the model. */
static dit_status params_ranges(const dit_params *p, dit_error *error) {
  dit_status status = params_range("count", p->count, 0, 65536, error);
  if (!status) status = params_range("steps", p->steps, 0, DIT__MAX_STEPS, error);
  if (!status) status = params_range("sampler", p->sampler, 0, DIT_SAMPLER_DPMPP, error);
  if (!status) status = params_range("timestep_spacing", p->timestep_spacing, 0, DIT_SPACING_LINSPACE, error);
  if (!status) status = params_range("generator", p->generator, 0, DIT_GENERATOR_PHILOX, error);
  if (!status) status = params_range("variance_type", p->variance_type, 0, DIT_VARIANCE_LEARNED, error);
  if (!status) status = params_range("clip_sample", p->clip_sample, 0, DIT_CLIP_MODEL_OUTPUT, error);
  if (!status) status = params_range("cache_interval", p->cache_interval, 0, DIT__MAX_STEPS, error);
  if (!status) status = params_range("threads", p->threads, 0, 1024, error);
  if (!status) status = params_real("guidance_scale", p->guidance_scale, 0, 1000, error);
  if (!status) status = params_real("guidance_start", p->guidance_start, 0, 1, error);
  if (!status) status = params_real("guidance_end", p->guidance_end, 0, 1, error);
  if (!status) status = params_real("eta", p->eta, 0, 1, error);
  if (!status) status = params_real("class_mix", p->class_mix, 0, 1, error);
  if (!status) status = params_real("strength", p->strength, 0, 1, error);
  if (!status && p->guidance_start > p->guidance_end)
    status = dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: guidance_start lies behind guidance_end");
  if (!status && (p->reserved != 0 || p->reserved2 != 0 || p->reserved3 != 0))
    status = dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: reserved members must be 0");
  return status;
}

/* Pixels that the transformer's patches and the autoencoder can make. */
static dit_status params_size(const dit_model *model, dit_params *p, dit_error *error) {
  const int32_t factor = model->vae.levels ? model->vae.scale_factor : 1, unit = factor * model->dit.patch;
  const int32_t most = dit__max_side(factor) / unit * unit;
  if (!p->width) p->width = model->info.width;
  if (!p->height) p->height = model->info.height;
  if (p->width >= unit && p->height >= unit && p->width <= most && p->height <= most && p->width % unit == 0 &&
      p->height % unit == 0)
    return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "dit_params: %d x %d pixels; width and height must be multiples of %d, from %d to %d", p->width,
                   p->height, unit, unit, most);
}

/* Start pictures, and what needs one. */
static dit_status params_edit(const dit_model *model, dit_params *p, dit_error *error) {
  if (p->init_image && !(model->vae.encoder && model->vae.decoder))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_params: init_image needs a model with an encoder and a decoder");
  if (!p->init_image && p->mask) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: mask without init_image");
  if (!p->init_image && p->strength != 0 && p->strength != 1)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: strength without init_image");
  if (p->strength == 0) p->strength = 1;
  return DIT_OK;
}

static dit_status params_classes(const dit_model *model, const dit_params *p, dit_error *error) {
  dit_status status = DIT_OK;
  if (p->classes_b && !p->classes) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: classes_b without classes");
  if (!p->classes) return dit__check_class(model, "dit_params: classes", 0, -1, error);
  for (int32_t i = 0; i < p->count && !status; i++)
    status = dit__check_class(model, "dit_params: classes", i, p->classes[i], error);
  for (int32_t i = 0; p->classes_b && i < p->count && !status; i++)
    status = dit__check_class(model, "dit_params: classes_b", i, p->classes_b[i], error);
  return status;
}

/* The model's spacing, as far as it is one for this sampler. */
static int32_t params_spacing(const dit_model *model, const dit_params *p) {
  const int32_t models = model->info.timestep_spacing;
  if (p->timestep_spacing || dit__timesteps_diffusers(models))
    return p->timestep_spacing ? p->timestep_spacing : models;
  if (p->sampler != model->info.sampler || !models)
    return dit__timesteps_default(&model->dit.diffusion, p->steps, 0, p->sampler);
  if (models == DIT_SPACING_EVEN) return models;
  return dit__timesteps_default(&model->dit.diffusion, p->steps, 0,
                                DIT_SAMPLER_DDIM); /* its stride, where there is one */
}

/* Fills in the sampler's part. */
static dit_status params_sampler(const dit_model *model, dit_params *p, dit_error *error) {
  const dit_info *info = &model->info;
  if (!p->steps) p->steps = info->steps;
  if (!p->sampler) p->sampler = info->sampler;
  p->timestep_spacing = params_spacing(model, p);
  if (!p->generator) p->generator = DIT_GENERATOR_DIT;
  if (!p->variance_type) p->variance_type = info->variance_type;
  if (!p->clip_sample) p->clip_sample = info->clip_sample;
  if ((p->variance_type == DIT_VARIANCE_LEARNED_RANGE || p->variance_type == DIT_VARIANCE_LEARNED) &&
      !info->learned_sigma)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_params: variance_type is %s, but the model does not predict it",
                     p->variance_type == DIT_VARIANCE_LEARNED_RANGE ? "LEARNED_RANGE" : "LEARNED");
  return DIT_OK;
}

static dit_status params_guidance(const dit_model *model, dit_params *p, dit_error *error) {
  const dit_info *info = &model->info;
  if (p->guidance_scale == 0) p->guidance_scale = info->guidance_scale;
  if (!p->guidance_channels) p->guidance_channels = info->guidance_channels;
  if (p->guidance_channels == -1) p->guidance_channels = info->latent_channels;
  if (p->guidance_start == 0 && p->guidance_end == 0) p->guidance_end = 1;
  if (p->guidance_scale != 1 && model->dit.null_class < 0)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_params: guidance_scale needs a null class, and the model was trained without; use 1");
  return params_range("guidance_channels", p->guidance_channels, 1, info->latent_channels, error);
}

dit_status dit__params_resolve(const dit_model *model, const dit_params *params, dit_params *out, dit_error *error) {
  dit_params p;
  dit_status status = dit__struct_read(&p, sizeof p, params, "dit_params", error);
  if (status) return status;
  if (!model->dit.present)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_params: the model has no transformer, so it cannot sample");
  status = params_ranges(&p, error);
  if (status) return status;
  if (!p.count) p.count = 1;
  if (!p.cache_interval) p.cache_interval = 1;
  status = params_size(model, &p, error);
  if (!status) status = params_classes(model, &p, error);
  if (!status) status = params_sampler(model, &p, error);
  if (!status) status = params_guidance(model, &p, error);
  if (!status) status = params_edit(model, &p, error);
  if (status) return status;
  p.threads = p.threads && p.threads < model->options.threads ? p.threads : model->options.threads;
  const int32_t count =
      dit__schedule(&model->dit.diffusion, p.steps, p.timestep_spacing, p.sampler, p.eta, 0, NULL, error);
  if (count < 0) return count;
  *out = p;
  return DIT_OK;
}
