/* What a job gives out: progress, pixels, previews, latents; and a whole job in one call. */
#include "numerics.h"

#include <string.h>

#include "job.h"

dit_status dit_job_progress(const dit_job *job, dit_progress *progress) {
  dit_progress p;
  dit__environment saved;
  if (!job) return DIT_ERROR_ARGUMENT;
  dit__environment_enter(&saved);
  memset(&p, 0, sizeof p);
  const dit_params *params = &job->params;
  p.status = (dit_status)dit__atomic_load(&job->status);
  p.step = (int32_t)dit__atomic_load(&job->steps_done);
  p.steps = (params->count + job->shape.group - 1) / job->shape.group * (params->steps - job->shape.first_step);
  p.units = dit__atomic_load(&job->units);
  p.units_total = job->units_total;
  p.fraction = (float)((double)p.units / (double)p.units_total);
  const double spent = (double)dit__atomic_load(&job->milliseconds) * 1000;
  p.microseconds_left =
      p.units == 0 || spent == 0 ? -1 : (int64_t)(spent / (double)p.units * (double)(p.units_total - p.units));
  p.pictures_ready = (int32_t)dit__atomic_load(&job->ready);
  const dit_status status = dit__struct_write(progress, &p, sizeof p, "dit_progress", NULL);
  dit__environment_leave(&saved);
  return status;
}

dit_status dit_job_profile(const dit_job *job, int32_t capacity, dit_profile_row *rows, int32_t *count,
                           dit_error *error) {
  static const char *const names[DIT__KINDS + 1] = {"products",  "convolutions", "layer norms", "quantising",
                                                    "attention", "group norms",  "affine",      "embedding and layout",
                                                    "packing",   "sampling"};
  if (!job) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_profile: job is NULL");
  if (!count) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_profile: count is NULL");
  if (capacity < 0 || (capacity > 0 && !rows))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_profile: capacity is %d, rows is %s", capacity,
                     rows ? "given" : "NULL");
  *count = DIT__KINDS + 1;
  for (int32_t i = 0; i < *count && i < capacity; i++) {
    rows[i] = job->profile[i];
    rows[i].name = names[i];
  }
  return DIT_OK;
}

/* ---- Pictures ---- */

/* Bytes of a pixel; 0: no such format. */
static int32_t job_pixel_size(const dit_model *model, int32_t format) {
  if (format == DIT_PIXELS_NATIVE) return model->vae.image_channels;
  if (format == DIT_PIXELS_RGB) return 3;
  return format >= DIT_PIXELS_RGBA && format <= DIT_PIXELS_BGRA ? 4 : 0;
}

static uint8_t job_times(uint8_t colour, uint8_t alpha) { return (uint8_t)((colour * alpha + 127) / 255); }

/* One native pixel in another format. */
static void job_convert(const uint8_t *from, int32_t channels, int32_t format, uint8_t *to) {
  const uint8_t alpha = channels == 4 ? from[3] : 255;
  const int premultiplied = format == DIT_PIXELS_RGB || format == DIT_PIXELS_RGBA_PREMULTIPLIED;
  for (int c = 0; c < 3; c++)
    to[format == DIT_PIXELS_BGRA ? 2 - c : c] = premultiplied ? job_times(from[c], alpha) : from[c];
  if (format == DIT_PIXELS_NATIVE ? channels == 4 : format != DIT_PIXELS_RGB) to[3] = alpha;
}

static dit_status job_check(const dit_job *job, const char *what, int32_t picture, dit_error *error) {
  if (!job) return dit__fail(error, DIT_ERROR_STATE, "%s: job is NULL", what);
  if (picture < 0 || picture >= job->params.count)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: picture is %d; the job has pictures 0 to %d", what, picture,
                     job->params.count - 1);
  return DIT_OK;
}

static dit_status job_check_pixels(const dit_job *job, const char *what, int32_t picture, int32_t format,
                                   const uint8_t *pixels, size_t row, size_t *stride, dit_error *error) {
  const dit_status status = job_check(job, what, picture, error);
  if (status) return status;
  if (!job_pixel_size(job->model, format))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: format %d does not exist", what, format);
  if (!pixels) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: pixels is NULL", what);
  row *= (size_t)job_pixel_size(job->model, format);
  if (!*stride) *stride = row;
  if (*stride < row)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: stride is %zu bytes, but a row has %zu", what, *stride, row);
  return DIT_OK;
}

dit_status dit_job_pixels(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                          dit_error *error) {
  if (job && !job->model->vae.decoder)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_job_pixels: the model has no decoder; take dit_job_latent");
  const dit_status status = job_check_pixels(job, "dit_job_pixels", picture, format, pixels,
                                             job ? (size_t)job->params.width : 0, &stride, error);
  if (status) return status;
  if (picture >= dit__atomic_load(&job->ready))
    return dit__fail(error, DIT_ERROR_STATE, "dit_job_pixels: picture %d is not ready; call dit_job_advance", picture);
  const int32_t channels = job->model->vae.image_channels, size = job_pixel_size(job->model, format);
  const uint8_t *from = (const uint8_t *)dit__job_at(job, job->shape.pixels) + picture * job->shape.picture;
  for (int32_t y = 0; y < job->params.height; y++)
    for (int32_t x = 0; x < job->params.width; x++, from += channels)
      job_convert(from, channels, format, pixels + (size_t)y * stride + (size_t)x * (size_t)size);
  return DIT_OK;
}

dit_status dit_job_preview(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                           dit_error *error) {
  if (job && !job->model->preview)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_job_preview: the model has no linear map; dit-convert --fit-preview adds one");
  const dit_status status = job_check_pixels(job, "dit_job_preview", picture, format, pixels,
                                             job ? (size_t)job->shape.width : 0, &stride, error);
  if (status) return status;
  dit__environment saved;
  dit__environment_enter(&saved);
  const int32_t channels = job->model->vae.image_channels, latents = job->model->vae.channels;
  const int64_t area = (int64_t)job->shape.height * job->shape.width;
  const float *clean = dit__job_floats(job, job->shape.clean) + picture * job->shape.latent;
  for (int64_t i = 0; i < area; i++) {
    uint8_t native[4];
    for (int32_t c = 0; c < channels; c++) {
      const float *map = job->model->preview + c * (latents + 1);
      float value = map[latents];
      for (int32_t k = 0; k < latents && picture < job->begun; k++) value += map[k] * clean[k * area + i];
      native[c] = dit__job_byte(value);
    }
    job_convert(native, channels, format,
                pixels + (size_t)(i / job->shape.width) * stride +
                    (size_t)(i % job->shape.width) * (size_t)job_pixel_size(job->model, format));
  }
  dit__environment_leave(&saved);
  return DIT_OK;
}

dit_status dit_job_latent(dit_job *job, int32_t picture, float *latent, dit_error *error) {
  const dit_status status = job_check(job, "dit_job_latent", picture, error);
  if (status) return status;
  if (!latent) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_latent: latent is NULL");
  const size_t size = (size_t)job->shape.latent * sizeof(float);
  if (picture < job->begun)
    memcpy(latent, dit__job_floats(job, job->shape.latents) + picture * job->shape.latent, size);
  else
    memset(latent, 0, size);
  return DIT_OK;
}

/* ---- All in one call ---- */

dit_status dit_generate(const dit_model *model, const dit_params *params, int32_t format, uint8_t *pixels, size_t size,
                        dit_error *error) {
  dit_params p;
  dit_job *job;
  p.struct_size = sizeof p;
  dit_status status = dit_params_resolve(model, params, &p, error);
  if (status) return status;
  if (!model->vae.decoder) return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_generate: the model has no decoder");
  if (!job_pixel_size(model, format))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_generate: format %d does not exist", format);
  if (!pixels) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_generate: pixels is NULL");
  const uint64_t picture = (uint64_t)p.width * (uint64_t)p.height * (uint64_t)job_pixel_size(model, format);
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
