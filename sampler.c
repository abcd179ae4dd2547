/* Sampling, for hosts: parameters, jobs, schedules and random numbers. Arguments are checked here, and the work is done
 * in lib/. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/atomic.h"
#include "lib/core/error.h"
#include "lib/core/fpenv.h"
#include "lib/core/names.h"
#include "lib/core/struct_size.h"
#include "lib/job/job.h"
#include "lib/job/params.h"
#include "lib/job/pixels.h"
#include "lib/sampling/rng.h"
#include "lib/sampling/schedule.h"

/* ---- Parameters ---- */

dit_status dit_params_resolve(const dit_model *model, const dit_params *params, dit_params *out, dit_error *error) {
  dit_params p;
  dit__fpenv saved;
  if (!model) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params_resolve: model is NULL");
  dit__fpenv_enter(&saved);
  dit_status status = dit__params_resolve(model, params, &p, error);
  if (!status) status = dit__struct_write(out, &p, sizeof p, "dit_params (out)", error);
  dit__fpenv_leave(&saved);
  return status;
}

/* ---- Jobs ---- */

dit_status dit_job_memory(const dit_model *model, const dit_params *params, size_t *bytes, dit_error *error) {
  dit_params p;
  dit__job_layout layout;
  dit__fpenv saved;
  if (!bytes) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_memory: bytes is NULL");
  if (!model) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_memory: model is NULL");
  dit__fpenv_enter(&saved);
  dit_status status = dit__params_resolve(model, params, &p, error);
  if (!status) status = dit__job_layout_choose(model, &p, &layout, error);
  dit__fpenv_leave(&saved);
  if (!status) *bytes = layout.size;
  return status;
}

dit_status dit_job_start(const dit_model *model, const dit_params *params, dit_job **job, dit_error *error) {
  dit__fpenv saved;
  if (!job) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_start: job is NULL");
  *job = NULL;
  if (!model) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_start: model is NULL");
  dit__fpenv_enter(&saved);
  const dit_status status = dit__job_start(model, params, job, error);
  dit__fpenv_leave(&saved);
  return status;
}

dit_status dit_job_advance(dit_job *job, int64_t microseconds, dit_error *error) {
  dit__fpenv saved;
  if (!job) return dit__fail(error, DIT_ERROR_STATE, "dit_job_advance: job is NULL");
  if (dit__atomic_load(&job->status) == DIT_MORE) {
    dit__fpenv_enter(&saved);
    dit__job_work(job, microseconds);
    dit__fpenv_leave(&saved);
    if (dit__job_done(job))
      dit__atomic_store(&job->status, DIT_OK);
    else if (dit__atomic_load(&job->cancelled))
      dit__atomic_store(&job->status, DIT_CANCELLED);
  }
  const dit_status status = (dit_status)dit__atomic_load(&job->status);
  return status == DIT_CANCELLED ? dit__fail(error, status, "the job was cancelled") : status;
}

void dit_job_cancel(dit_job *job) {
  if (job) dit__atomic_store(&job->cancelled, 1);
}

void dit_job_end(dit_job *job) {
  if (!job) return;
  const dit_model *model = job->model;
  dit__release(&model->options, job, job->layout.size);
  dit__model_release((dit_model *)(uintptr_t)model);
}

/* ---- Results of a job ---- */

dit_status dit_job_progress(const dit_job *job, dit_progress *progress) {
  dit_progress p;
  dit__fpenv saved;
  if (!job) return DIT_ERROR_ARGUMENT;
  dit__fpenv_enter(&saved);
  memset(&p, 0, sizeof p);
  const dit_params *params = &job->params;
  p.status = (dit_status)dit__atomic_load(&job->status);
  p.step = (int32_t)dit__atomic_load(&job->steps_done);
  p.steps = (params->count + job->layout.batch - 1) / job->layout.batch * (job->layout.rows - job->layout.first_step);
  p.units = dit__atomic_load(&job->units);
  p.units_total = job->units_total;
  p.fraction = (float)((double)p.units / (double)p.units_total);
  const double spent = (double)dit__atomic_load(&job->milliseconds) * 1000;
  p.microseconds_left =
      p.units == 0 || spent == 0 ? -1 : (int64_t)(spent / (double)p.units * (double)(p.units_total - p.units));
  p.pictures_ready = (int32_t)dit__atomic_load(&job->ready);
  const dit_status status = dit__struct_write(progress, &p, sizeof p, "dit_progress", NULL);
  dit__fpenv_leave(&saved);
  return status;
}

dit_status dit_job_profile(const dit_job *job, int32_t capacity, dit_profile_row *rows, int32_t *count,
                           dit_error *error) {
  if (!job) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_profile: job is NULL");
  if (!count) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_profile: count is NULL");
  if (capacity < 0 || (capacity > 0 && !rows))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_profile: capacity is %d, %s", capacity,
                     capacity < 0 ? "which is negative" : "but rows is NULL");
  *count = DIT__UNIT_KINDS;
  for (int32_t i = 0; i < *count && i < capacity; i++) {
    rows[i] = job->profile[i];
    rows[i].name = dit__unit_name(i);
  }
  return DIT_OK;
}

/* Whether there is a job, and such a picture in it. */
static dit_status job_check(const dit_job *job, const char *what, int32_t picture, dit_error *error) {
  if (!job) return dit__fail(error, DIT_ERROR_STATE, "%s: job is NULL", what);
  if (picture < 0 || picture >= job->params.count)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: picture is %d; the job has pictures 0 to %d", what, picture,
                     job->params.count - 1);
  return DIT_OK;
}

/* The same for pictures that are `width` pixels wide, and their format and memory; a stride of 0 becomes that of packed
 * rows. */
static dit_status job_check_pixels(const dit_job *job, const char *what, int32_t picture, int32_t format,
                                   const uint8_t *pixels, size_t width, size_t *stride, dit_error *error) {
  dit_status status = job_check(job, what, picture, error);
  if (!status) status = dit__check_enum(what, "format", DIT__ENUM_PIXELS, format, error);
  if (status) return status;
  if (!pixels) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: pixels is NULL", what);
  const size_t row = width * (size_t)dit__pixel_size(job->model->vae.image_channels, format);
  if (!*stride) *stride = row;
  if (*stride < row)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: stride is %zu bytes, but a row takes %zu", what, *stride, row);
  return DIT_OK;
}

dit_status dit_job_pixels(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                          dit_error *error) {
  if (job && !dit__model_draws(job->model))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_job_pixels: the model has no decoder; use dit_job_latent");
  const dit_status status = job_check_pixels(job, "dit_job_pixels", picture, format, pixels,
                                             job ? (size_t)job->params.width : 0, &stride, error);
  if (status) return status;
  if (picture >= dit__atomic_load(&job->ready))
    return dit__fail(error, DIT_ERROR_STATE, "dit_job_pixels: picture %d is not ready; call dit_job_advance", picture);
  const int32_t channels = job->model->vae.image_channels, size = dit__pixel_size(channels, format);
  const uint8_t *from = (const uint8_t *)dit__job_at(job, DIT__JOB_PIXELS) + picture * job->layout.picture;
  for (int32_t y = 0; y < job->params.height; y++)
    for (int32_t x = 0; x < job->params.width; x++, from += channels)
      dit__pixel_convert(from, channels, format, pixels + (size_t)y * stride + (size_t)x * (size_t)size);
  return DIT_OK;
}

dit_status dit_job_preview(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                           dit_error *error) {
  if (job && !job->model->preview)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_job_preview: the model file has no preview map; dit-convert --fit-preview adds one");
  const dit_status status = job_check_pixels(job, "dit_job_preview", picture, format, pixels,
                                             job ? (size_t)job->layout.width : 0, &stride, error);
  if (status) return status;
  dit__fpenv saved;
  dit__fpenv_enter(&saved);
  const int32_t channels = job->model->vae.image_channels, latents = job->model->vae.channels;
  const int64_t area = (int64_t)job->layout.height * job->layout.width;
  const float *pred_x0 = dit__job_floats(job, DIT__JOB_PRED_X0) + picture * job->layout.latent;
  for (int64_t i = 0; i < area; i++) {
    uint8_t native[4];
    for (int32_t c = 0; c < channels; c++) {
      const float *map = job->model->preview + c * (latents + 1);
      float value = map[latents];
      for (int32_t k = 0; k < latents && picture < job->begun; k++) value += map[k] * pred_x0[k * area + i];
      native[c] = dit__pixel_byte(value);
    }
    dit__pixel_convert(native, channels, format,
                       pixels + (size_t)(i / job->layout.width) * stride +
                           (size_t)(i % job->layout.width) * (size_t)dit__pixel_size(channels, format));
  }
  dit__fpenv_leave(&saved);
  return DIT_OK;
}

dit_status dit_job_latent(dit_job *job, int32_t picture, float *latent, dit_error *error) {
  const dit_status status = job_check(job, "dit_job_latent", picture, error);
  if (status) return status;
  if (!latent) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_latent: latent is NULL");
  const size_t size = (size_t)job->layout.latent * sizeof(float);
  if (picture < job->begun)
    memcpy(latent, dit__job_floats(job, DIT__JOB_LATENTS) + picture * job->layout.latent, size);
  else
    memset(latent, 0, size);
  return DIT_OK;
}

dit_status dit_generate(const dit_model *model, const dit_params *params, int32_t format, uint8_t *pixels, size_t size,
                        dit_error *error) {
  dit_params p;
  dit_job *job;
  p.struct_size = sizeof p;
  dit_status status = dit_params_resolve(model, params, &p, error);
  if (status) return status;
  if (!dit__model_draws(model))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_generate: the model has no decoder");
  status = dit__check_enum("dit_generate", "format", DIT__ENUM_PIXELS, format, error);
  if (status) return status;
  if (!pixels) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_generate: pixels is NULL");
  const uint64_t picture =
      (uint64_t)p.width * (uint64_t)p.height * (uint64_t)dit__pixel_size(model->vae.image_channels, format);
  if (size < picture * (uint64_t)p.count)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_generate: size is %zu bytes, but %d pictures need %llu", size,
                     p.count, (unsigned long long)(picture * (uint64_t)p.count));
  status = dit_job_start(model, params, &job, error);
  if (status) return status;
  do status = dit_job_advance(job, -1, error);
  while (status == DIT_MORE);
  for (int32_t i = 0; i < p.count && !status; i++)
    status = dit_job_pixels(job, i, format, pixels + picture * (uint64_t)i, 0, error);
  dit_job_end(job);
  return status;
}

/* ---- Schedules ---- */

static dit_status schedule_check_arguments(const char *what, int32_t capacity, const dit_schedule_row *rows,
                                           const int32_t *count, dit_error *error) {
  if (!count) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: count is NULL", what);
  if (capacity < 0 || (capacity > 0 && !rows))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: capacity is %d, %s", what, (int)capacity,
                     capacity < 0 ? "which is negative" : "but rows is NULL");
  return DIT_OK;
}

static dit_status schedule_write(const dit__process *process, const dit_params *p, int32_t capacity,
                                 dit_schedule_row *rows, int32_t *count, dit_error *error) {
  dit__fpenv saved;
  dit__fpenv_enter(&saved);
  const int32_t steps =
      dit__schedule(process, p->steps, p->timestep_spacing, p->sampler, p->eta, capacity, rows, error);
  dit__fpenv_leave(&saved);
  if (steps < 0) return steps;
  *count = steps;
  return DIT_OK;
}

dit_status dit_schedule(const dit_params *params, int32_t capacity, dit_schedule_row *rows, int32_t *count,
                        dit_error *error) {
  dit_params p;
  dit_status status = schedule_check_arguments("dit_schedule", capacity, rows, count, error);
  if (!status) status = dit__struct_read(&p, sizeof p, params, "dit_params", error);
  if (status) return status;
  status = dit__check_enum("dit_params", "sampler", DIT__ENUM_SAMPLER, p.sampler, error);
  if (status) return status;
  if (!p.sampler) p.sampler = DIT_SAMPLER_DDPM;
  if (!p.steps) p.steps = 250;
  return schedule_write(&dit__process_default, &p, capacity, rows, count, error);
}

dit_status dit_model_schedule(const dit_model *model, const dit_params *params, int32_t capacity,
                              dit_schedule_row *rows, int32_t *count, dit_error *error) {
  dit_params resolved;
  resolved.struct_size = sizeof resolved;
  dit_status status = schedule_check_arguments("dit_model_schedule", capacity, rows, count, error);
  if (!status) status = dit_params_resolve(model, params, &resolved, error);
  if (status) return status;
  const dit__process process = dit__params_process(model, &resolved);
  return schedule_write(&process, &resolved, capacity, rows, count, error);
}

/* ---- Random numbers ---- */

dit_status dit_rng_open(int32_t generator, uint64_t seed, dit_rng **rng, dit_error *error) {
  if (!rng) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_rng_open: rng is NULL");
  *rng = NULL;
  const dit_status status = dit__check_enum("dit_rng_open", "generator", DIT__ENUM_GENERATOR, generator, error);
  if (status) return status;
  dit_rng *made = (dit_rng *)dit__allocate(NULL, sizeof *made, sizeof(void *));
  if (!made) return dit__fail(error, DIT_ERROR_MEMORY, "dit_rng_open: no memory for %zu bytes", sizeof *made);
  dit__rng_begin(made, generator, seed);
  *rng = made;
  return DIT_OK;
}

dit_status dit_rng_normal(dit_rng *rng, int64_t count, float *out) {
  if (!rng || count < 0 || (count > 0 && !out)) return DIT_ERROR_ARGUMENT;
  if (rng->generator == DIT_GENERATOR_PHILOX && count > (int64_t)1 << 32) return DIT_ERROR_ARGUMENT;
  if (!count) return DIT_OK; /* no call */
  dit__fpenv saved;
  dit__fpenv_enter(&saved);
  dit__rng_call(rng, count, out);
  dit__fpenv_leave(&saved);
  return DIT_OK;
}

void dit_rng_close(dit_rng *rng) { dit__release(NULL, rng, sizeof *rng); }
