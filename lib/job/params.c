/* What a job is asked to make: fills in every default and checks every member. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/core/names.h"
#include "lib/core/struct_size.h"
#include "lib/job/params.h"
#include "lib/sampling/schedule.h"

static dit_status params_range(const char *name, int32_t value, int32_t low, int32_t high, dit_error *error) {
  if (value >= low && value <= high) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: %s is %d; it must be from %d to %d", name, value, low, high);
}

/* The bounds are integers, and the value is not printed, so that the message does not depend on the locale. NaN is
 * refused. */
static dit_status params_real(const char *name, float value, int32_t low, int32_t high, dit_error *error) {
  if (value >= (float)low && value <= (float)high) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: %s must be a number from %d to %d", name, low, high);
}

/* What does not depend on the model. */
static dit_status params_ranges(const dit_params *p, dit_error *error) {
  dit_status status = params_range("count", p->count, 0, 65536, error);
  if (!status) status = params_range("steps", p->steps, 0, DIT__MAX_STEPS, error);
  if (!status) status = dit__check_enum("dit_params", "sampler", DIT__ENUM_SAMPLER, p->sampler, error);
  if (!status)
    status = dit__check_enum("dit_params", "timestep_spacing", DIT__ENUM_SPACING, p->timestep_spacing, error);
  if (!status) status = dit__check_enum("dit_params", "generator", DIT__ENUM_GENERATOR, p->generator, error);
  if (!status) status = dit__check_enum("dit_params", "variance_type", DIT__ENUM_VARIANCE, p->variance_type, error);
  if (!status) status = dit__check_enum("dit_params", "clip_sample", DIT__ENUM_CLIP, p->clip_sample, error);
  if (!status) status = params_range("cache_interval", p->cache_interval, 0, DIT__MAX_STEPS, error);
  if (!status) status = params_range("threads", p->threads, 0, 1024, error);
  if (!status) status = params_real("guidance_scale", p->guidance_scale, 0, 1000, error);
  if (!status) status = params_real("guidance_start", p->guidance_start, 0, 1, error);
  if (!status) status = params_real("guidance_end", p->guidance_end, 0, 1, error);
  if (!status) status = params_real("eta", p->eta, 0, 1, error);
  if (!status) status = params_real("class_mix", p->class_mix, 0, 1, error);
  if (!status) status = params_real("strength", p->strength, 0, 1, error);
  if (!status && p->guidance_start > p->guidance_end)
    status = dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: guidance_start is greater than guidance_end");
  if (!status && p->timestep_shift != 0 && !(p->timestep_shift >= 0.01f && p->timestep_shift <= 100))
    status = dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: timestep_shift must be a number from 0.01 to 100");
  if (!status && (p->reserved != 0 || p->reserved3 != 0))
    status = dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: reserved members must be 0");
  return status;
}

/* The size must be one that the transformer's patches and the autoencoder can make. */
static dit_status params_size(const dit_model *model, dit_params *p, dit_error *error) {
  const int32_t factor = model->vae.levels ? model->vae.scale_factor : 1, unit = factor * model->dit.patch;
  const int32_t limit = dit__max_side(factor) / unit * unit;
  if (!p->width) p->width = model->info.width;
  if (!p->height) p->height = model->info.height;
  if (p->width >= unit && p->height >= unit && p->width <= limit && p->height <= limit && p->width % unit == 0 &&
      p->height % unit == 0)
    return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "dit_params: width x height is %d x %d; width and height must be multiples of %d, from %d to %d",
                   p->width, p->height, unit, unit, limit);
}

/* Starting from pictures. */
static dit_status params_init_image(const dit_model *model, dit_params *p, dit_error *error) {
  if (p->init_image && !model->dit.pixels && !(model->vae.encoder && model->vae.decoder))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_params: init_image needs a model with an encoder and a decoder");
  if (!p->init_image && p->mask)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "dit_params: mask is given without init_image; it says what of init_image to keep");
  if (!p->init_image && p->strength != 0 && p->strength != 1)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "dit_params: strength is set without init_image; it says how far to depart from init_image");
  if (p->strength == 0) p->strength = 1;
  return DIT_OK;
}

/* What some models cannot do. */
static dit_status params_features(const dit_model *model, const dit_params *p, dit_error *error) {
  if (p->cache_interval > 1 && model->dit.context && model->dit.context_block)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_params: cache_interval must be 1, for class tokens join this model's sequence at block %d",
                     model->dit.context_block);
  return DIT_OK;
}

static dit_status params_classes(const dit_model *model, const dit_params *p, dit_error *error) {
  dit_status status = DIT_OK;
  if (p->classes_b && !p->classes)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: classes_b is given without classes");
  if (!p->classes) return dit__check_class(model, "dit_params: classes", 0, DIT_NO_CLASS, error);
  for (int32_t i = 0; i < p->count && !status; i++)
    status = dit__check_class(model, "dit_params: classes", i, p->classes[i], error);
  for (int32_t i = 0; p->classes_b && i < p->count && !status; i++)
    status = dit__check_class(model, "dit_params: classes_b", i, p->classes_b[i], error);
  return status;
}

dit__process dit__params_process(const dit_model *model, const dit_params *p) {
  dit__process process = model->dit.process;
  process.shift = (double)p->timestep_shift;
  return process;
}

/* The spacing to take for 0. One of diffusers' that the model recommends holds for every sampler. An official one holds
 * for the sampler that the model recommends, and DDIM's becomes EVEN where no integer stride exists. Otherwise it is
 * the sampler's default. */
static int32_t params_spacing(const dit_model *model, const dit_params *p) {
  const int32_t recommended = model->info.timestep_spacing;
  if (model->info.flow) return DIT_SPACING_EVEN;
  if (dit__timesteps_diffusers(recommended)) return recommended;
  if (!recommended || p->sampler != model->info.sampler)
    return dit__timesteps_default(&model->dit.process, p->steps, 0, p->sampler);
  if (recommended == DIT_SPACING_EVEN) return recommended;
  return dit__timesteps_default(&model->dit.process, p->steps, 0, DIT_SAMPLER_DDIM);
}

static dit_status params_sampler(const dit_model *model, dit_params *p, dit_error *error) {
  const dit_info *info = &model->info;
  if (!p->steps) p->steps = info->steps;
  if (!p->sampler) p->sampler = info->sampler;
  if (!p->timestep_spacing) p->timestep_spacing = params_spacing(model, p);
  if (!p->generator) p->generator = DIT_GENERATOR_DIT;
  if (!p->variance_type) p->variance_type = info->variance_type;
  if (!p->clip_sample) p->clip_sample = info->clip_sample;
  if (p->timestep_shift == 0) p->timestep_shift = info->timestep_shift;
  if (!info->flow && p->timestep_shift != 1)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "dit_params: timestep_shift is for models that learned flow matching, and this one learned "
                     "diffusion");
  if ((p->variance_type == DIT_VARIANCE_LEARNED_RANGE || p->variance_type == DIT_VARIANCE_LEARNED) &&
      !info->learned_sigma)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_params: variance_type is %s, but the model does not predict a variance",
                     dit__name(DIT__ENUM_VARIANCE, p->variance_type));
  return DIT_OK;
}

static dit_status params_guidance(const dit_model *model, dit_params *p, dit_error *error) {
  const dit_info *info = &model->info;
  if (p->guidance_scale == 0) p->guidance_scale = info->guidance_scale;
  if (!p->guidance_channels) p->guidance_channels = info->guidance_channels;
  if (p->guidance_channels == -1) p->guidance_channels = info->latent_channels;
  if (p->guidance_start == 0 && p->guidance_end == 0) {
    p->guidance_start = info->guidance_start;
    p->guidance_end = info->guidance_end;
  }
  if (p->guidance_scale != 1 && model->dit.null_class < 0)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_params: guidance_scale must be 1, for the model was trained without a null class");
  return params_range("guidance_channels", p->guidance_channels, 1, info->latent_channels, error);
}

dit_status dit__params_resolve(const dit_model *model, const dit_params *params, dit_params *out, dit_error *error) {
  dit_params p;
  dit_status status = dit__struct_read(&p, sizeof p, params, "dit_params", error);
  if (status) return status;
  if (!model->dit.present)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_params: the model has no transformer, so it cannot make pictures");
  status = params_ranges(&p, error);
  if (status) return status;
  if (!p.count) p.count = 1;
  if (!p.cache_interval) p.cache_interval = 1;
  status = params_size(model, &p, error);
  if (!status) status = params_classes(model, &p, error);
  if (!status) status = params_sampler(model, &p, error);
  if (!status) status = params_guidance(model, &p, error);
  if (!status) status = params_init_image(model, &p, error);
  if (!status) status = params_features(model, &p, error);
  if (status) return status;
  p.threads = p.threads && p.threads < model->options.threads ? p.threads : model->options.threads;
  const dit__process process = dit__params_process(model, &p);
  const int32_t count = dit__schedule(&process, p.steps, p.timestep_spacing, p.sampler, p.eta, 0, NULL, error);
  if (count < 0) return count;
  *out = p;
  return DIT_OK;
}
