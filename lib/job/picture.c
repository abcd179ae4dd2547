/* What a job does with each picture between its passes: the first latent, guidance, the sampler's step, the pixels. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/job/job.h"
#include "lib/job/pixels.h"
#include "lib/sampling/guidance.h"
#include "lib/sampling/inpaint.h"
#include "lib/sampling/rng.h"
#include "lib/sampling/rng_philox.h"
#include "lib/sampling/solvers.h"
#include "lib/sampling/schedule.h"

int32_t dit__job_step_guided(const dit_job *job, int32_t step) {
  return job->layout.guided && dit__job_in_guidance(job->model, &job->params, step);
}

/* This depends on the number of the step alone, so that no picture depends on the others of its batch. The first step
 * with a second pass stores anew, for the cache has nothing of that pass. */
dit__block_cache dit__job_step_cache(const dit_job *job, int32_t step) {
  const dit__job_layout *layout = &job->layout;
  const int32_t from = step < layout->first_guided ? layout->first_step : layout->first_guided;
  if (job->params.cache_interval < 2) return DIT__CACHE_OFF;
  return (step - from) % job->params.cache_interval ? DIT__CACHE_USE : DIT__CACHE_STORE;
}

void dit__job_load(dit_job *job) {
  const dit_params *p = &job->params;
  const dit__job_layout *layout = &job->layout;
  const int64_t area = (int64_t)p->width * p->height, latent_area = (int64_t)layout->height * layout->width;
  dit__inpaint_image(p->init_image + job->picture * layout->picture, area, job->model->vae.image_channels,
                     dit__job_floats(job, DIT__JOB_IMAGE));
  if (p->mask)
    dit__inpaint_weights(p->mask + job->picture * area, layout->height, layout->width, job->model->vae.scale_factor,
                         dit__job_floats(job, DIT__JOB_MASK_WEIGHTS) + job->picture * latent_area);
}

/* ---- Noise ---- */

static uint64_t job_seed(const dit_job *job, int32_t picture) {
  return job->params.seeds ? job->params.seeds[picture] : job->params.seed + (uint64_t)picture;
}

/* Element `index` of one of the caller's arrays of noise. */
static void job_copy_noise(const dit_job *job, const float *from, int64_t index, float *noise) {
  memcpy(noise, from + index * job->layout.latent, (size_t)job->layout.latent * sizeof(float));
}

/* The noise that a picture starts from: the beginning of its stream, or the caller's. A stream with a state passes over
 * its own beginning even then, so that the noise of the steps is the same. */
static void job_start_noise(const dit_job *job, int32_t picture, dit_rng *stream, float *noise) {
  const dit_params *p = &job->params;
  dit__rng_begin(stream, p->generator, job_seed(job, picture));
  if (!p->noise || p->generator != DIT_GENERATOR_DIT) dit__rng_call(stream, job->layout.latent, noise);
  if (p->noise) job_copy_noise(job, p->noise, picture, noise);
}

/* The noise of the step under way. DIT's numbers are found by their position; a stream of PyTorch's has one call for
 * each step. */
static void job_step_noise(dit_job *job, int32_t picture, float *noise) {
  const dit_params *p = &job->params;
  const int64_t latent = job->layout.latent;
  if (p->step_noise)
    job_copy_noise(job, p->step_noise, (int64_t)job->step * p->count + picture, noise);
  else if (p->generator == DIT_GENERATOR_DIT)
    dit__normal(job_seed(job, picture), (uint64_t)(job->step + 1) * (uint64_t)latent, latent, noise);
  else
    dit__rng_call((dit_rng *)dit__job_at(job, DIT__JOB_STREAMS) + (picture - job->batch_first), latent, noise);
}

/* ---- Sampling ---- */

void dit__job_begin(dit_job *job) {
  const dit__job_layout *layout = &job->layout;
  const int64_t latent = layout->latent;
  const dit_schedule_row *rows = (const dit_schedule_row *)dit__job_at(job, DIT__JOB_SCHEDULE);
  for (int32_t i = 0; i < job->batch_count; i++) {
    const int32_t picture = job->batch_first + i;
    float *x = dit__job_floats(job, DIT__JOB_LATENTS) + picture * latent;
    float *init = dit__job_floats(job, DIT__JOB_INIT_LATENTS) + picture * latent;
    dit_rng ours, *streams = (dit_rng *)dit__job_at(job, DIT__JOB_STREAMS);
    job_start_noise(job, picture, job->params.generator == DIT_GENERATOR_DIT ? &ours : &streams[i], x);
    memset(dit__job_floats(job, DIT__JOB_PRED_X0) + picture * latent, 0, (size_t)latent * sizeof(float));
    if (!job->params.init_image) continue;
    for (int64_t k = 0; k < latent; k++) init[k] = (float)((double)init[k] * job->model->vae.scaling);
    if (layout->first_step)
      dit__inpaint_noised(dit__schedule_mixture(&job->model->dit.process, &rows[layout->first_step], 0), latent, init,
                          x, x);
  }
  job->begun = job->batch_first + job->batch_count;
}

/* Where the mask keeps the picture, its latent becomes that of the picture it started from, noised to where the step
 * ends; with the noise of its start, whatever the sampler added since. */
static void job_keep(dit_job *job, int32_t picture, dit__mixture mixture, float *x) {
  const int64_t latent = job->layout.latent, area = (int64_t)job->layout.height * job->layout.width;
  float *noise = dit__job_floats(job, DIT__JOB_NOISE_SCRATCH);
  dit_rng stream;
  job_start_noise(job, picture, &stream, noise);
  dit__inpaint_keep(mixture, job->model->dit.channels, area,
                    dit__job_floats(job, DIT__JOB_MASK_WEIGHTS) + picture * area,
                    dit__job_floats(job, DIT__JOB_INIT_LATENTS) + picture * latent, noise, x);
}

void dit__job_update(dit_job *job) {
  const dit_params *p = &job->params;
  const dit__solver_step step = {.process = &job->model->dit.process,
                                 .rows = (const dit_schedule_row *)dit__job_at(job, DIT__JOB_SCHEDULE),
                                 .index = job->step,
                                 .first = job->layout.first_step,
                                 .steps = job->layout.rows,
                                 .sampler = p->sampler,
                                 .diffusers = dit__timesteps_diffusers(p->timestep_spacing),
                                 .variance = p->variance_type,
                                 .clip = p->clip_sample};
  const int64_t latent = job->layout.latent, latent_area = latent / job->model->dit.channels;
  const int64_t out = latent_area * job->model->dit.out_channels;
  const int32_t guided = dit__job_step_guided(job, job->step);
  float *noise = dit__job_floats(job, DIT__JOB_NOISE_SCRATCH);
  for (int32_t i = 0; i < job->batch_count; i++) {
    const int32_t picture = job->batch_first + i;
    float *output = dit__job_floats(job, DIT__JOB_OUTPUT) + i * out;
    float *x = dit__job_floats(job, DIT__JOB_LATENTS) + picture * latent;
    if (guided)
      dit__guide(latent_area * p->guidance_channels, p->guidance_scale, output, output + job->batch_count * out);
    if (dit__solver_needs_noise(&step)) job_step_noise(job, picture, noise);
    const dit__solver_arrays with = {.out = output,
                                     .variance = out > latent ? output + latent : NULL,
                                     .noise = noise,
                                     .pred_x0 = dit__job_floats(job, DIT__JOB_PRED_X0) + picture * latent,
                                     .memory = dit__job_floats(job, DIT__JOB_SOLVER_MEMORY) + picture * latent};
    dit__solver_take(&step, latent, x, &with);
    if (p->mask) job_keep(job, picture, dit__schedule_mixture(step.process, &step.rows[job->step], 1), x);
  }
}

/* ---- Pixels ---- */

void dit__job_pixels(dit_job *job) {
  const dit_params *p = &job->params;
  const int64_t channels = job->model->vae.image_channels, area = job->layout.picture / channels;
  const float *image = job->model->dit.pixels
                           ? dit__job_floats(job, DIT__JOB_LATENTS) + job->picture * job->layout.latent
                           : dit__job_floats(job, DIT__JOB_IMAGE);
  uint8_t *to = (uint8_t *)dit__job_at(job, DIT__JOB_PIXELS) + job->picture * job->layout.picture;
  for (int64_t i = 0; i < area; i++)
    for (int64_t c = 0; c < channels; c++) to[i * channels + c] = dit__pixel_byte(image[c * area + i]);
  if (!p->mask) return;
  const uint8_t *mask = p->mask + job->picture * area, *old = p->init_image + job->picture * job->layout.picture;
  uint8_t *depth = (uint8_t *)dit__job_at(job, DIT__JOB_MASK_DEPTHS);
  const int32_t fade = job->model->vae.scale_factor;
  dit__inpaint_depths(mask, p->height, p->width, fade, depth);
  dit__inpaint_compose(mask, depth, old, area, (int32_t)channels, fade, to);
}
