/* Options, parameters and every call of the interface, in orders that the input chooses, on small models. */
#include <stdlib.h>
#include <string.h>

#include "dit.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/tiny.h"

enum { MOST_UNITS = 256, MOST_CALLS = 12, MOST_SIDE = 64, MOST_COUNT = 2, MOST_STEPS = 4 };
enum { MOST_MEMORY = 4 << 20 }; /* bytes of a job that is run */

typedef struct play {
  fuzz_choices c;
  dit_model *model;
  dit_info info;
  dit_job *job;
  dit_params params;
  void *arrays[8]; /* of params */
  int32_t classes[MOST_COUNT], classes_b[MOST_COUNT];
  uint64_t seeds[MOST_COUNT];
  dit_error error;
} play;

/* Checks that a call that failed says why in a sentence. */
static dit_status said(const play *p, dit_status status) {
  if (status < 0 && status != DIT_CANCELLED &&
      (!memchr(p->error.message, 0, sizeof p->error.message) || !p->error.message[0]))
    abort();
  return status;
}

static void *bytes(size_t size, uint8_t fill) {
  uint8_t *block = (uint8_t *)malloc(size + !size);
  if (!block) abort();
  memset(block, fill, size);
  return block;
}

static float *numbers(play *p, size_t count) {
  float *block = (float *)bytes(count * sizeof *block, 0);
  const float odd = fuzz_real(&p->c, -3, 3);
  for (size_t i = 0; i < count; i++) block[i] = i % 7 ? (float)(i % 13) / 6 - 1 : odd;
  return block;
}

static int open_model(play *p) {
  size_t size;
  const uint8_t *data = tiny_model((int)fuzz_choose(&p->c, TINY_MODELS), &size);
  dit_options options = {.struct_size = sizeof options, .threads = 1};
  if (fuzz_choose(&p->c, 4) == 0) {
    options.threads = fuzz_integer(&p->c, 0, 1024);
    options.isa = fuzz_integer(&p->c, 0, 8);
    options.compute = fuzz_integer(&p->c, 0, 3);
    options.load = fuzz_integer(&p->c, 0, 2);
    options.memory_limit = fuzz_choose(&p->c, 2) ? 0 : fuzz_choose(&p->c, 1 << 20);
    options.reserved = fuzz_choose(&p->c, 16) == 0;
    if (fuzz_choose(&p->c, 16) == 0) options.struct_size = (uint32_t)fuzz_choose(&p->c, sizeof options / 8) * 8;
  }
  if (said(p, dit_model_open_memory(data, size, &options, &p->model, &p->error))) return 0;
  p->info.struct_size = sizeof p->info;
  if (dit_model_info(p->model, &p->info)) abort();
  return 1;
}

/* Gives params an array with one element for each picture, or none. */
static void choose_classes(play *p) {
  const uint64_t which = fuzz_choose(&p->c, 8);
  for (int i = 0; i < MOST_COUNT; i++) {
    p->classes[i] = fuzz_integer(&p->c, -1, p->info.class_count);
    p->classes_b[i] = fuzz_integer(&p->c, 0, p->info.class_count);
    p->seeds[i] = fuzz_choose(&p->c, 1 << 20);
  }
  if (p->params.count > MOST_COUNT) return; /* the library may read more than these have */
  if (which & 1) p->params.classes = p->classes;
  if (which & 2) p->params.classes_b = p->classes_b;
  if (which & 4) p->params.seeds = p->seeds;
}

/* Gives params noise and pictures, of the sizes that it says. */
static void choose_arrays(play *p) {
  dit_params r = {.struct_size = sizeof r};
  if (dit_params_resolve(p->model, &p->params, &r, NULL) || r.count > MOST_COUNT || r.width > MOST_SIDE ||
      r.height > MOST_SIDE || r.steps > MOST_STEPS)
    return;
  const uint64_t which = fuzz_choose(&p->c, 16);
  const size_t factor = p->info.has_decoder ? (size_t)p->info.vae_scale_factor : 1, area = (size_t)(r.width * r.height),
               latent = area / factor / factor * (size_t)p->info.latent_channels, count = (size_t)r.count;
  if (which & 1) p->params.noise = p->arrays[0] = numbers(p, count * latent);
  if (which & 2) p->params.step_noise = p->arrays[1] = numbers(p, count * latent * (size_t)r.steps);
  if (which & 4) p->params.init_image = p->arrays[2] = bytes(count * area * (size_t)p->info.image_channels, 99);
  if (which & 8) p->params.mask = p->arrays[3] = bytes(count * area, (uint8_t)fuzz_choose(&p->c, 256));
}

static int32_t times_four(int32_t n) { return n > INT32_MIN / 4 && n < INT32_MAX / 4 ? 4 * n : n; }

static void choose_params(play *p) {
  const dit_params empty = {.struct_size = sizeof empty};
  dit_params *q = &p->params;
  for (int i = 0; i < 8; i++) free(p->arrays[i]), p->arrays[i] = NULL;
  *q = empty;
  if (fuzz_choose(&p->c, 32) == 0)
    q->struct_size = (uint32_t)fuzz_choose(&p->c, sizeof *q / 8) * 8; /* whole members, as of an older host */
  q->count = fuzz_integer(&p->c, 0, MOST_COUNT);
  q->steps = fuzz_integer(&p->c, 1, MOST_STEPS);
  q->seed = fuzz_choose(&p->c, 1 << 20);
  if (fuzz_choose(&p->c, 2)) q->width = times_four(fuzz_integer(&p->c, 0, 8));
  if (fuzz_choose(&p->c, 2)) q->height = times_four(fuzz_integer(&p->c, 0, 8));
  q->sampler = fuzz_integer(&p->c, 0, 3);
  if (fuzz_choose(&p->c, 2)) q->timestep_spacing = fuzz_integer(&p->c, 0, 6);
  q->generator = fuzz_integer(&p->c, 0, 3);
  if (fuzz_choose(&p->c, 2)) q->variance_type = fuzz_integer(&p->c, 0, 4);
  q->clip_sample = fuzz_integer(&p->c, 0, 2);
  if (fuzz_choose(&p->c, 2)) q->guidance_channels = fuzz_integer(&p->c, -1, 4);
  if (fuzz_choose(&p->c, 2)) q->guidance_scale = fuzz_real(&p->c, 0, 10);
  if (fuzz_choose(&p->c, 4) == 0) q->guidance_start = fuzz_real(&p->c, 0, 1), q->guidance_end = fuzz_real(&p->c, 0, 1);
  if (fuzz_choose(&p->c, 2)) q->eta = fuzz_real(&p->c, 0, 1);
  if (fuzz_choose(&p->c, 2)) q->class_mix = fuzz_real(&p->c, 0, 1);
  if (fuzz_choose(&p->c, 2)) q->strength = fuzz_real(&p->c, 0, 1);
  if (fuzz_choose(&p->c, 2)) q->cache_interval = fuzz_integer(&p->c, 0, 4);
  q->threads = fuzz_choose(&p->c, 8) ? 0 : fuzz_integer(&p->c, 0, 4);
  choose_classes(p);
  choose_arrays(p);
}

static void start(play *p) {
  size_t size = 0;
  dit_job_end(p->job);
  p->job = NULL;
  choose_params(p);
  const dit_status told = said(p, dit_job_memory(p->model, &p->params, &size, &p->error));
  if (!told && size > MOST_MEMORY) return;
  if (said(p, dit_job_start(p->model, &p->params, &p->job, &p->error)) != told) abort();
}

static void take_pictures(play *p) {
  dit_params r = {.struct_size = sizeof r};
  const int32_t picture = fuzz_integer(&p->c, 0, MOST_COUNT), format = fuzz_integer(&p->c, 0, 4);
  if (!p->job || dit_params_resolve(p->model, &p->params, &r, NULL)) return;
  const size_t stride = fuzz_choose(&p->c, 2) ? 0 : (size_t)r.width * 4 + fuzz_choose(&p->c, 8);
  uint8_t *pixels = (uint8_t *)bytes((stride ? stride : (size_t)r.width * 4) * (size_t)r.height, 0);
  float *latent =
      (float *)bytes((size_t)r.width * (size_t)r.height * (size_t)p->info.latent_channels * sizeof *latent, 0);
  said(p, dit_job_pixels(p->job, picture, format, pixels, stride, &p->error));
  said(p, dit_job_preview(p->job, picture, format, pixels, stride, &p->error));
  said(p, dit_job_latent(p->job, picture, latent, &p->error));
  free(pixels);
  free(latent);
}

static void advance(play *p) {
  dit_progress progress = {.struct_size = sizeof progress};
  dit_profile_row rows[4];
  int32_t count;
  dit_status status = DIT_MORE;
  const uint64_t most = fuzz_choose(&p->c, MOST_UNITS);
  for (uint64_t i = 0; i < most && status == DIT_MORE && p->job; i++)
    status = said(p, dit_job_advance(p->job, 0, &p->error));
  if (!p->job) return;
  dit_job_progress(p->job, &progress);
  if (!(progress.fraction >= 0 && progress.fraction <= 1) || progress.units > progress.units_total) abort();
  said(p, dit_job_profile(p->job, fuzz_integer(&p->c, 0, 4) % 5, rows, &count, &p->error));
  if (fuzz_choose(&p->c, 16) == 0) dit_job_cancel(p->job);
}

static void call_forward(play *p) {
  const int32_t count = (int32_t)fuzz_choose(&p->c, 3), side = (int32_t)fuzz_choose(&p->c, 9);
  const size_t latent = (size_t)(count * side * side * p->info.latent_channels);
  float *in = numbers(p, latent), *out = numbers(p, 2 * latent),
        times[2] = {fuzz_real(&p->c, 0, 1000), fuzz_real(&p->c, 0, 1000)};
  p->classes[0] = fuzz_integer(&p->c, -1, 3);
  p->classes[1] = fuzz_integer(&p->c, -1, 3);
  const dit_forward_params forward = {.struct_size = sizeof forward,
                                      .count = count,
                                      .height = side,
                                      .width = side,
                                      .latent = in,
                                      .timesteps = times,
                                      .second_timesteps = fuzz_choose(&p->c, 16) ? NULL : times,
                                      .classes = fuzz_choose(&p->c, 2) ? p->classes : NULL};
  said(p, dit_forward(p->model, &forward, out, &p->error));
  free(in);
  free(out);
}

static void call_autoencoder(play *p) {
  const int32_t count = (int32_t)fuzz_choose(&p->c, 3), side = (int32_t)fuzz_choose(&p->c, 9),
                other = (int32_t)fuzz_choose(&p->c, 9);
  const size_t factor = p->info.vae_scale_factor > 0 ? (size_t)p->info.vae_scale_factor : 1,
               area = (size_t)(count * side * other);
  float *latent = numbers(p, area * (size_t)p->info.latent_channels),
        *logvar = numbers(p, area * (size_t)p->info.latent_channels);
  float *image = numbers(p, area * factor * factor * 4);
  said(p, dit_vae_decode(p->model, count, side, other, latent, image, &p->error));
  said(p, dit_vae_encode(p->model, count, side * (int32_t)factor, other * (int32_t)factor, image, latent,
                         fuzz_choose(&p->c, 2) ? logvar : NULL, &p->error));
  free(latent);
  free(logvar);
  free(image);
}

static void call_schedule(play *p) {
  dit_schedule_row rows[8];
  int32_t count;
  dit_params q = {.struct_size = sizeof q,
                  .steps = fuzz_integer(&p->c, 1, 1000),
                  .sampler = fuzz_integer(&p->c, 0, 3),
                  .timestep_spacing = fuzz_integer(&p->c, 0, 6),
                  .eta = fuzz_real(&p->c, 0, 1)};
  const int32_t capacity = (int32_t)fuzz_choose(&p->c, 9);
  said(p, dit_schedule(&q, capacity, rows, &count, &p->error));
  said(p, dit_model_schedule(p->model, &q, capacity, rows, &count, &p->error));
}

static void call_random(play *p) {
  dit_rng *rng;
  const int64_t count = fuzz_integer(&p->c, 0, 40);
  if (said(p, dit_rng_open(fuzz_integer(&p->c, 0, 3), fuzz_choose(&p->c, 1 << 30), &rng, &p->error))) return;
  float *out = numbers(p, 64);
  if (count <= 64) dit_rng_normal(rng, count, out);
  dit_rng_normal(rng, 64, out);
  dit_rng_close(rng);
  free(out);
}

static void call_generate(play *p) {
  dit_params r = {.struct_size = sizeof r};
  size_t size;
  choose_params(p);
  dit_job_end(p->job); /* params belong to another job now */
  p->job = NULL;
  if (dit_params_resolve(p->model, &p->params, &r, NULL) || dit_job_memory(p->model, &p->params, &size, NULL) ||
      size > MOST_MEMORY || r.width > MOST_SIDE / 2 || r.height > MOST_SIDE / 2)
    return;
  const size_t room = (size_t)r.count * (size_t)r.width * (size_t)r.height * 4 - fuzz_choose(&p->c, 2);
  uint8_t *pixels = (uint8_t *)bytes(room, 0);
  said(p, dit_generate(p->model, &p->params, fuzz_integer(&p->c, 0, 3), pixels, room, &p->error));
  free(pixels);
}

static void call_names(play *p) {
  static const char *(*const names[])(int32_t) = {
      dit_isa_name,     dit_compute_name,   dit_load_name,     dit_type_name, dit_sampler_name,
      dit_spacing_name, dit_generator_name, dit_variance_name, dit_clip_name, dit_pixels_name};
  const int32_t value = fuzz_integer(&p->c, -1, 12);
  char label[8] = {0};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) names[i](value);
  dit_status_name(value);
  dit_model_class_label(p->model, value);
  for (int i = 0; i < 7; i++) label[i] = (char)fuzz_choose(&p->c, 256);
  dit_model_find_class(p->model, label);
}

static void run(const uint8_t *data, size_t size) {
  static void (*const calls[])(play *) = {start,         start,         advance,       advance,
                                          advance,       take_pictures, call_forward,  call_autoencoder,
                                          call_schedule, call_random,   call_generate, call_names};
  play p;
  memset(&p, 0, sizeof p);
  p.c.at = data;
  p.c.left = size;
  if (!open_model(&p)) return;
  for (int i = 0; i < MOST_CALLS && p.c.left; i++) calls[fuzz_choose(&p.c, sizeof calls / sizeof *calls)](&p);
  dit_job_end(p.job);
  dit_model_close(p.model);
  for (int i = 0; i < 8; i++) free(p.arrays[i]);
}

const fuzz_target fuzz_params = {"params", run, NULL, NULL};
