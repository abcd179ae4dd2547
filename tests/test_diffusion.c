/* The diffusion process of a model file and what the file recommends, from its keys to the latents of a job.
 *
 * The test fails if a key has no effect: if dit_model_schedule is not the schedule of these keys, or if a job's latents
 * are not, to the bit, those of dit_forward and the sampler's steps one after the other; if a recommendation is not
 * what a job takes for 0; or if a job may take more steps than there are timesteps. */
#include <math.h>

#include "lib/sampling/rng_philox.h"
#include "lib/sampling/schedule.h"
#include "lib/sampling/solvers.h"
#include "lib/sampling/timesteps.h"
#include "tests/forward.h"
#include "tests/synthetic.h"
#include "tests/take.h"
#include "tests/test.h"
#include "weights/convert/write/gguf_write.h"

enum { CHANNELS = 3, SIDE = 4, LATENT = CHANNELS * SIDE * SIDE, MOST = 8 };

/* Keys that replace a model file's own. */
typedef struct keys {
  const char *schedule, *spacing, *sampler, *variance, *clip; /* NULL: unchanged */
  double start, end;                                          /* 0: unchanged */
  uint32_t timesteps, offset, steps;                          /* 0: unchanged */
  int not_clean;
} keys;

static const char *const replaced[] = {"general.alignment", "dit.beta_schedule", "dit.spacing",   "dit.sampler",
                                       "dit.beta_start",    "dit.beta_end",      "dit.timesteps", "dit.steps"};

static void write_keys(gguf_writer *w, const keys *k) {
  gguf_writer_string(w, "dit.beta_schedule", k->schedule ? k->schedule : "linear");
  gguf_writer_f64(w, "dit.beta_start", k->start != 0 ? k->start : 0.0001);
  gguf_writer_f64(w, "dit.beta_end", k->end != 0 ? k->end : 0.02);
  gguf_writer_u32(w, "dit.timesteps", k->timesteps ? k->timesteps : 1000);
  gguf_writer_u32(w, "dit.steps", k->steps ? k->steps : 5);
  gguf_writer_string(w, "dit.sampler", k->sampler ? k->sampler : "ddim");
  if (k->spacing) gguf_writer_string(w, "dit.spacing", k->spacing);
  if (k->variance) gguf_writer_string(w, "dit.variance", k->variance);
  if (k->clip) gguf_writer_string(w, "dit.clip", k->clip);
  if (k->offset) gguf_writer_u32(w, "dit.steps_offset", k->offset);
  if (k->not_clean) gguf_writer_bool(w, "dit.set_alpha_to_one", 0);
  gguf_writer_string(w, "dit.prediction_type", "epsilon");
}

/* Copies the model file `from` to `to` with these keys. */
static int rewrite(const char *from, const char *to, const keys *k) {
  FILE *file = fopen(from, "rb");
  static uint8_t bytes[1 << 20];
  const size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  dit__gguf *gguf;
  gguf_writer *w;
  dit_error error = {0};
  const uint8_t *record;
  const char *name;
  size_t length, record_size;
  if (file) fclose(file);
  if (!CHECK(!dit__gguf_open(bytes, size, NULL, &gguf, &error) && !gguf_writer_open(to, &w, &error), "%s",
             error.message))
    return 0;
  for (uint64_t i = 0; (record = dit__gguf_key_at(gguf, i, &name, &length, &record_size)) != NULL; i++) {
    int own = 1;
    for (size_t r = 0; r < sizeof replaced / sizeof *replaced; r++)
      if (strlen(replaced[r]) == length && !memcmp(name, replaced[r], length)) own = 0;
    if (own) gguf_writer_copy(w, record, record_size);
  }
  write_keys(w, k);
  for (uint64_t i = 0; i < dit__gguf_tensor_count(gguf); i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(gguf, i);
    gguf_writer_tensor(w, t->name, t->type, t->rank, t->shape);
  }
  gguf_writer_begin(w, NULL, &error);
  for (uint64_t i = 0; i < dit__gguf_tensor_count(gguf); i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(gguf, i);
    gguf_writer_data(w, t->data, (size_t)(t->count * dit__gguf_type_size(t->type)), &error);
  }
  dit__gguf_close(gguf, NULL);
  return CHECK(gguf_writer_finish(w, NULL, &error) == DIT_OK, "%s", error.message);
}

static dit_model *open_with(const char *base, const keys *k, dit_error *error) {
  char path[512];
  dit_model *model = NULL;
  const dit_options options = {.struct_size = sizeof options, .threads = 1, .load = DIT_LOAD_READ};
  memset(error, 0, sizeof *error);
  if (rewrite(base, synthetic_path(path, sizeof path, "process"), k)) dit_model_open(path, &options, &model, error);
  remove(path);
  return model;
}

/* The same job step by step: forward passes, noise, the solver. */
static void by_hand(const dit_model *model, const dit_params *p, const dit_schedule_row *rows, float *x) {
  float out[2 * LATENT], clean[LATENT], noise[LATENT];
  dit__normal(p->seed, 0, LATENT, x);
  dit__solver_step step = {.rows = rows,
                           .steps = p->steps,
                           .sampler = p->sampler,
                           .diffusers = dit__timesteps_diffusers(p->timestep_spacing),
                           .variance = p->variance_type,
                           .clip = p->clip_sample};
  for (; step.index < p->steps; step.index++) {
    const float time = (float)rows[step.index].timestep;
    dit_error error = {0};
    CHECK(!forward(model, 1, SIDE, SIDE, x, &time, p->classes, out, &error), "%s", error.message);
    dit__normal(p->seed, (uint64_t)(step.index + 1) * LATENT, LATENT, noise);
    take(&step, LATENT, x, out, out + LATENT, noise, clean);
  }
}

static void compare(const char *base, const keys *k, const dit__process *process, const dit_params *expected) {
  static const int32_t classes[1] = {1};
  dit_error error;
  dit_model *model = open_with(base, k, &error);
  dit_params p = {.struct_size = sizeof p, .classes = classes, .seed = 77, .guidance_scale = 1, .eta = 0.5f},
             resolved = p;
  dit_schedule_row rows[MOST], wanted[MOST];
  float latent[LATENT], hand[LATENT];
  int32_t count = 0;
  if (!CHECK(model != NULL, "%s", error.message)) return;
  CHECK(!dit_params_resolve(model, &p, &resolved, &error), "%s", error.message);
  CHECK(resolved.steps == expected->steps && resolved.sampler == expected->sampler &&
            resolved.timestep_spacing == expected->timestep_spacing &&
            resolved.variance_type == expected->variance_type && resolved.clip_sample == expected->clip_sample,
        "steps %d, sampler %d, spacing %d, variance %d, clip %d", (int)resolved.steps, (int)resolved.sampler,
        (int)resolved.timestep_spacing, (int)resolved.variance_type, (int)resolved.clip_sample);
  CHECK(!dit_model_schedule(model, &p, MOST, rows, &count, &error) && count == resolved.steps, "%s", error.message);
  dit__schedule(process, expected->steps, expected->timestep_spacing, expected->sampler, p.eta, DIT__MAX_STEPS, wanted,
                NULL);
  CHECK(!memcmp(rows, wanted, (size_t)count * sizeof *rows), "another schedule than that of the keys");
  dit_job *job;
  if (CHECK(!dit_job_start(model, &p, &job, &error), "%s", error.message)) {
    CHECK(!dit_job_advance(job, -1, &error) && !dit_job_latent(job, 0, latent, &error), "%s", error.message);
    dit_job_end(job);
    by_hand(model, &resolved, wanted, hand);
    CHECK(!memcmp(latent, hand, sizeof hand), "spacing %d, sampler %d: other latents than by hand",
          (int)resolved.timestep_spacing, (int)resolved.sampler);
  }
  dit_model_close(model);
}

static void test_keys(const char *base) {
  const keys plain = {.steps = 5};
  compare(base, &plain, &dit__process_default,
          &(dit_params){.steps = 5, .sampler = 2, .timestep_spacing = 2, .variance_type = 1, .clip_sample = 1});
  const keys sd = {.schedule = "scaled_linear",
                   .start = 0.00085,
                   .end = 0.012,
                   .offset = 1,
                   .not_clean = 1,
                   .spacing = "leading",
                   .clip = "on"};
  const dit__process of_sd = {.scaled = 1, .timesteps = 1000, .beta_start = 0.00085, .beta_end = 0.012, .offset = 1};
  compare(base, &sd, &of_sd,
          &(dit_params){.steps = 5, .sampler = 2, .timestep_spacing = 3, .variance_type = 1, .clip_sample = 2});
  const keys few = {
      .timesteps = 40, .end = 0.3, .sampler = "ddpm", .spacing = "trailing", .variance = "fixed_small", .steps = 7};
  const dit__process of_few = {.timesteps = 40, .beta_start = 0.0001, .beta_end = 0.3, .set_alpha_to_one = 1};
  compare(base, &few, &of_few,
          &(dit_params){.steps = 7, .sampler = 1, .timestep_spacing = 4, .variance_type = 3, .clip_sample = 1});
  const keys solver = {.timesteps = 2000, .sampler = "dpm++", .end = 0.01, .variance = "fixed_large"};
  const dit__process of_solver = {.timesteps = 2000, .beta_start = 0.0001, .beta_end = 0.01, .set_alpha_to_one = 1};
  compare(base, &solver, &of_solver,
          &(dit_params){.steps = 5, .sampler = 3, .timestep_spacing = 5, .variance_type = 2, .clip_sample = 1});
}

/* A recommended spacing of diffusers' holds for every sampler, an official one for the recommended sampler. */
static void test_choices(const char *base) {
  const keys leading = {.spacing = "leading"}, even = {.spacing = "even"};
  for (int i = 0; i < 2; i++) {
    dit_error error;
    dit_model *model = open_with(base, i ? &even : &leading, &error);
    if (!CHECK(model != NULL, "%s", error.message)) return;
    for (int32_t sampler = DIT_SAMPLER_DDPM; sampler <= DIT_SAMPLER_DPMPP; sampler++) {
      static const int32_t wanted[2][3] = {{3, 3, 3}, {DIT_SPACING_EVEN, DIT_SPACING_EVEN, DIT_SPACING_LINSPACE}};
      dit_params p = {.struct_size = sizeof p, .sampler = sampler}, out = p;
      CHECK(!dit_params_resolve(model, &p, &out, &error) && out.timestep_spacing == wanted[i][sampler - 1],
            "sampler %d of a model with %s: spacing %d", (int)sampler, i ? "even" : "leading",
            (int)out.timestep_spacing);
    }
    dit_model_close(model);
  }
}

static void test_limits(const char *base) {
  const keys few = {.timesteps = 40}, too_many = {.timesteps = 40, .steps = 41},
             beyond = {.offset = 39, .spacing = "leading"};
  dit_error error;
  dit_model *model = open_with(base, &few, &error);
  dit_params p = {.struct_size = sizeof p, .steps = 41}, out = p;
  if (!CHECK(model != NULL, "%s", error.message)) return;
  CHECK(dit_params_resolve(model, &p, &out, &error) == DIT_ERROR_ARGUMENT && strstr(error.message, "1 to 40"), "%s",
        error.message);
  const float x[LATENT] = {0}, times[2] = {41, 40};
  float y[2 * LATENT];
  CHECK(forward(model, 1, SIDE, SIDE, x, &times[0], NULL, y, &error) == DIT_ERROR_ARGUMENT, "timestep 41 of 40");
  CHECK(forward(model, 1, SIDE, SIDE, x, &times[1], NULL, y, &error) == DIT_OK, "%s", error.message);
  dit_model_close(model);
  CHECK(!open_with(base, &too_many, &error) && strstr(error.message, "dit.steps"), "41 steps: %s", error.message);
  model = open_with(base, &beyond, &error);
  p.steps = 1000;
  CHECK(model && dit_params_resolve(model, &p, &out, &error) == DIT_ERROR_ARGUMENT && strstr(error.message, "leading"),
        "an offset beyond the end: %s", error.message);
  dit_model_close(model);
}

int main(void) {
  char base[512];
  if (CHECK(synthetic_file(synthetic_path(base, sizeof base, "process-base"),
                           "dit:hidden=24,depth=1,heads=2,patch=1,latent=4,in=3,classes=3", NULL, DIT_TYPE_F32),
            "no model")) {
    test_keys(base);
    test_choices(base);
    test_limits(base);
  }
  remove(base);
  return test_end("test_diffusion");
}
