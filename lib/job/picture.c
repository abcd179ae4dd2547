/* The small units of a job, one picture after the other: its start, guidance, the sampler's step, its bytes. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/job/job.h"
#include "lib/job/pixels.h"
#include "lib/sampling/guidance.h"
#include "lib/sampling/inpaint.h"
#include "lib/sampling/rng.h"
#include "lib/sampling/solvers.h"

int32_t dit__job_step_guided(const dit_job *job, int32_t step) {
  return job->shape.guided && dit__job_guided_at(&job->params, step);
}

/* By its place alone, so that a picture does not depend on others. The first step with a second pass, of which nothing
 * was kept, begins anew. */
dit__block_cache dit__job_step_reuse(const dit_job *job, int32_t step) {
  const dit__job_layout *shape = &job->shape;
  const int32_t from = step < shape->first_guided ? shape->first_step : shape->first_guided;
  if (job->params.cache_interval < 2) return DIT__CACHE_OFF;
  return (step - from) % job->params.cache_interval ? DIT__CACHE_USE : DIT__CACHE_STORE;
}

void dit__job_load(dit_job *job) {
  const dit_params *p = &job->params;
  const int32_t channels = job->model->vae.image_channels;
  const int64_t area = (int64_t)p->width * p->height;
  dit__inpaint_image(p->init_image + job->picture * job->shape.picture, area, channels,
                     dit__job_floats(job, job->shape.image));
  if (p->mask)
    dit__inpaint_weights(
        p->mask + job->picture * area, job->shape.height, job->shape.width, job->model->vae.scale_factor,
        dit__job_floats(job, job->shape.weights) + (int64_t)job->picture * job->shape.height * job->shape.width);
}

static uint64_t job_seed(const dit_job *job, int32_t picture) {
  return job->params.seeds ? job->params.seeds[picture] : job->params.seed + (uint64_t)picture;
}

static void job_given(const dit_job *job, const float *from, int64_t latents, float *noise) {
  memcpy(noise, from + latents * job->shape.latent, (size_t)job->shape.latent * sizeof(float));
}

/* What a picture starts from: the beginning of its stream, or noise from the caller, in whose place the stream's is
 * passed over. */
static void job_noise(const dit_job *job, int32_t picture, dit_rng *stream, float *noise) {
  const dit_params *p = &job->params;
  dit__rng_begin(stream, p->generator, job_seed(job, picture));
  if (!p->noise || p->generator != DIT_GENERATOR_DIT) dit__rng_call(stream, job->shape.latent, noise);
  if (p->noise) job_given(job, p->noise, picture, noise);
}

/* The noise of the step under way. Ours is found by its place; PyTorch's streams have a call for each step. */
static void job_step_noise(dit_job *job, int32_t picture, float *noise) {
  const dit_params *p = &job->params;
  const int64_t latent = job->shape.latent;
  if (p->step_noise)
    job_given(job, p->step_noise, (int64_t)job->step * p->count + picture, noise);
  else if (p->generator == DIT_GENERATOR_DIT)
    dit__normal(job_seed(job, picture), (uint64_t)(job->step + 1) * (uint64_t)latent, latent, noise);
  else
    dit__rng_call((dit_rng *)dit__job_at(job, job->shape.streams) + (picture - job->first), latent, noise);
}

void dit__job_begin(dit_job *job) {
  const int64_t latent = job->shape.latent;
  const dit_schedule_row *row = (const dit_schedule_row *)dit__job_at(job, job->shape.schedule) + job->shape.first_step;
  for (int32_t i = job->first; i < job->first + job->count; i++) {
    float *x = dit__job_floats(job, job->shape.latents) + i * latent,
          *init = dit__job_floats(job, job->shape.init) + i * latent;
    dit_rng ours, *streams = (dit_rng *)dit__job_at(job, job->shape.streams);
    job_noise(job, i, job->params.generator == DIT_GENERATOR_DIT ? &ours : &streams[i - job->first], x);
    memset(dit__job_floats(job, job->shape.clean) + i * latent, 0, (size_t)latent * sizeof(float));
    if (!job->params.init_image) continue;
    for (int64_t k = 0; k < latent; k++) init[k] = (float)((double)init[k] * job->model->vae.scaling);
    if (job->shape.first_step) dit__inpaint_noised(row->alpha_cumprod, latent, init, x, x);
  }
  job->begun = job->first + job->count;
}

void dit__job_update(dit_job *job) {
  const dit__job_layout *shape = &job->shape;
  const dit_params *p = &job->params;
  const dit__solver_step step = {.rows = (const dit_schedule_row *)dit__job_at(job, shape->schedule),
                                 .index = job->step,
                                 .first = shape->first_step,
                                 .steps = p->steps,
                                 .sampler = p->sampler,
                                 .spacing = p->timestep_spacing,
                                 .variance = p->variance_type,
                                 .clip = p->clip_sample};
  const int64_t latent = shape->latent, out = latent / job->model->dit.channels * job->model->dit.out_channels;
  const int64_t guided_numbers = latent / job->model->dit.channels * p->guidance_channels;
  const int32_t guided = dit__job_step_guided(job, job->step);
  for (int32_t i = 0; i < job->count; i++) {
    float *eps = dit__job_floats(job, shape->output) + i * out, *noise = dit__job_floats(job, shape->fresh);
    float *x = dit__job_floats(job, shape->latents) + (job->first + i) * latent;
    const int32_t picture = job->first + i;
    if (guided) dit__guide(guided_numbers, p->guidance_scale, eps, eps + job->count * out);
    if (dit__solver_needs_noise(&step)) job_step_noise(job, picture, noise);
    dit__solver_take(&step, latent, x, eps, out > latent ? eps + latent : NULL, noise,
                     dit__job_floats(job, shape->clean) + picture * latent);
    if (!p->mask) continue;
    const int64_t area = (int64_t)shape->height * shape->width;
    dit_rng again;
    job_noise(job, picture, &again, noise);
    dit__inpaint_keep(step.rows[job->step].alpha_cumprod_prev, job->model->dit.channels, area,
                      dit__job_floats(job, shape->weights) + picture * area,
                      dit__job_floats(job, shape->init) + picture * latent, noise, x);
  }
}

void dit__job_pixels(dit_job *job) {
  const int64_t channels = job->model->vae.image_channels, area = job->shape.picture / channels;
  const float *image = dit__job_floats(job, job->shape.image);
  uint8_t *to = (uint8_t *)dit__job_at(job, job->shape.pixels) + job->picture * job->shape.picture;
  for (int64_t i = 0; i < area; i++)
    for (int64_t c = 0; c < channels; c++) to[i * channels + c] = dit__pixel_byte(image[c * area + i]);
  if (!job->params.mask) return;
  const uint8_t *mask = job->params.mask + job->picture * area,
                *old = job->params.init_image + job->picture * job->shape.picture;
  uint8_t *depth = (uint8_t *)dit__job_at(job, job->shape.depth);
  const int32_t fade = job->model->vae.scale_factor;
  dit__inpaint_depths(mask, job->params.height, job->params.width, fade, depth);
  dit__inpaint_compose(mask, depth, old, area, (int32_t)channels, fade, to);
}
