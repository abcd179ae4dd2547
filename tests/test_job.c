/* Jobs: what dit.h promises about memory, time, bits, order and state.
 *
 * The test fails if a job allocates anything but its one block; if budgets, batches, windows, threads, hooks,
 * instruction sets or loads change a byte; if a step differs from the formulas (a sampler written here, on
 * dit_forward); or if progress, cancelling, previews and pixel formats are not as described. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sigaction */
#endif
#include <math.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "tests/forward.h"
#include "tests/host.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/sprites/dit_sprites.h"

/* A small model with all parts: 16x16 RGBA pictures of an 8x8 latent. */
#define TINY_DIT "dit:hidden=48,depth=2,heads=2,patch=2,latent=8,in=4,classes=6"
#define TINY_VAE "vae:blocks=8+16,layers=1,groups=4,in=4,out=4,latent=4"
enum { SIDE = 16, PICTURE = SIDE * SIDE * 4, LATENT = 4 * 8 * 8, STEPS = 5, COUNT = 5 };

static uint8_t *tiny_bytes;
static size_t tiny_size;
static const int32_t classes[COUNT] = {2, 0, 5, -1, 2};
static const uint64_t seeds[COUNT] = {7, 8, 1000, 7, 123456789012345};

static uint8_t *file_bytes(const char *first, const char *second, size_t *size) {
  char path[512];
  if (!synthetic_file(synthetic_path(path, sizeof path, "job"), first, second, DIT_TYPE_F32)) return NULL;
  uint8_t *bytes = npy_load(path, size);
  remove(path);
  return bytes;
}

static dit_model *open_bytes(const void *bytes, size_t size, const dit_options *options) {
  dit_model *model = NULL;
  dit_error error = {0};
  CHECK(dit_model_open_memory(bytes, size, options, &model, &error) == DIT_OK, "open: %s", error.message);
  return model;
}

static dit_model *open_tiny(const dit_options *options) { return open_bytes(tiny_bytes, tiny_size, options); }

static dit_options one_thread(void) {
  dit_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.threads = 1;
  return options;
}

static dit_params base_params(void) {
  dit_params p;
  memset(&p, 0, sizeof p);
  p.struct_size = sizeof p;
  p.count = COUNT;
  p.classes = classes;
  p.seeds = seeds;
  p.steps = STEPS;
  p.guidance_scale = 3;
  return p;
}

static int generate(const dit_model *model, const dit_params *p, uint8_t *pixels, size_t size) {
  dit_error error = {0};
  memset(pixels, 0xee, size);
  const dit_status status = dit_generate(model, p, DIT_PIXELS_NATIVE, pixels, size, &error);
  return CHECK(status == DIT_OK, "dit_generate: %s", error.message);
}

static uint8_t expected[COUNT * PICTURE]; /* the pictures of base_params, made by one thread in one call */

/* The bytes that a job of base_params takes with these options. */
static void check_options(const dit_options *options, const char *what) {
  uint8_t pixels[COUNT * PICTURE];
  dit_model *model = open_tiny(options);
  dit_params p = base_params();
  if (model && generate(model, &p, pixels, sizeof pixels))
    CHECK(!memcmp(pixels, expected, sizeof pixels), "%s changes the pictures", what);
  dit_model_close(model);
}

/* Advances a job to its end with a budget, and returns the number of calls. */
static int finish(dit_job *job, int64_t microseconds) {
  int calls = 1;
  dit_error error = {0};
  dit_status status;
  while ((status = dit_job_advance(job, microseconds, &error)) == DIT_MORE) calls++;
  CHECK(status == DIT_OK, "dit_job_advance: %s", error.message);
  return calls;
}

static int job_equals(dit_job *job, const uint8_t *pixels, int32_t count) {
  uint8_t picture[PICTURE];
  int same = 1;
  for (int32_t i = 0; i < count; i++)
    same &= dit_job_pixels(job, i, DIT_PIXELS_NATIVE, picture, 0, NULL) == DIT_OK &&
            !memcmp(picture, pixels + i * PICTURE, PICTURE);
  return same;
}

/* ---- Memory ---- */

static void test_memory(void) {
  static host h;
  dit_options options = host_options(&h);
  dit_params p = base_params();
  dit_error error = {0};
  dit_job *job;
  size_t bytes = 0;
  options.threads = 1;
  dit_model *model = open_tiny(&options);
  if (!model) return;
  const int blocks = h.count;
  long calls = h.calls;
  CHECK(dit_job_memory(model, &p, &bytes, &error) == DIT_OK, "dit_job_memory: %s", error.message);
  CHECK(h.calls == calls, "dit_job_memory allocates");
  CHECK(dit_job_start(model, &p, &job, &error) == DIT_OK, "dit_job_start: %s", error.message);
  CHECK(h.calls == calls + 1 && h.last == bytes, "a job of %zu bytes made %ld calls, the last for %zu", bytes,
        h.calls - calls, h.last);
  float latent[LATENT], none[LATENT] = {0};
  CHECK(dit_job_latent(job, COUNT - 1, latent, NULL) == DIT_OK && !memcmp(latent, none, sizeof none),
        "a latent before the start");
  finish(job, 0);
  CHECK(h.calls == calls + 1, "advance allocates");
  CHECK(job_equals(job, expected, COUNT), "garbage in fresh memory, or a budget of 0, changes the pictures");
  dit_job_end(job);
  CHECK(h.count == blocks, "a job leaves %d blocks", h.count - blocks);
  p.noise = (float *)calloc(COUNT * LATENT, sizeof(float));
  p.step_noise = (float *)calloc(STEPS * COUNT * LATENT, sizeof(float));
  p.classes_b = classes;
  p.class_mix = 0.5f;
  calls = h.calls;
  CHECK(dit_job_memory(model, &p, &bytes, NULL) == DIT_OK && dit_job_start(model, &p, &job, NULL) == DIT_OK,
        "a job with arrays");
  CHECK(h.calls == calls + 1 && h.last == bytes, "with arrays: %zu bytes told, %zu asked for", bytes, h.last);
  dit_job_end(job);
  free((void *)(uintptr_t)p.noise);
  free((void *)(uintptr_t)p.step_noise);
  CHECK(dit_job_start(model, NULL, &job, NULL) == DIT_OK, "a job of defaults");
  dit_model_close(model);
  CHECK(h.count > 1, "the model went before its job");
  dit_job_advance(job, 0, NULL);
  dit_job_end(job);
  CHECK(h.count == 0 && h.wrong == 0, "%d blocks left, %d wrong calls", h.count, h.wrong);
}

/* A job copies all arrays: the caller's may change as soon as it has started. */
static void test_copies(const dit_model *model) {
  int32_t own[COUNT];
  uint64_t own_seeds[COUNT];
  dit_params p = base_params();
  dit_job *job;
  memcpy(own, classes, sizeof own);
  memcpy(own_seeds, seeds, sizeof own_seeds);
  p.classes = own;
  p.seeds = own_seeds;
  CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start");
  memset(own, 0x33, sizeof own);
  memset(own_seeds, 0x33, sizeof own_seeds);
  finish(job, -1);
  CHECK(job_equals(job, expected, COUNT), "the job reads the caller's arrays after it was started");
  dit_job_end(job);
}

/* A refusal names the least memory that would do, exactly. */
static void test_limit(void) {
  dit_options options = one_thread();
  dit_params p = base_params();
  dit_error error = {0};
  dit_job *job = (dit_job *)&options;
  size_t bytes = 77, all = 0;
  unsigned long long least = 0;
  dit_model *model = open_tiny(&options);
  CHECK(dit_job_memory(model, &p, &all, NULL) == DIT_OK, "dit_job_memory");
  dit_model_close(model);
  options.memory_limit = 1000;
  model = open_tiny(&options);
  CHECK(dit_job_memory(model, &p, &bytes, &error) == DIT_ERROR_MEMORY && bytes == 77,
        "a limit of 1000 bytes is not refused");
  CHECK(dit_job_start(model, &p, &job, NULL) == DIT_ERROR_MEMORY && !job, "dit_job_start ignores the limit");
  const char *at = strstr(error.message, "at least ");
  CHECK(strstr(error.message, "memory_limit") && at && sscanf(at, "at least %llu", &least) == 1, "no least in '%s'",
        error.message);
  dit_model_close(model);
  CHECK(least > 1000 && least < all, "the least is %llu of %zu bytes", least, all);
  options.memory_limit = least - 1;
  model = open_tiny(&options);
  CHECK(dit_job_memory(model, &p, &bytes, &error) == DIT_ERROR_MEMORY, "one byte less than the least is accepted");
  dit_model_close(model);
  for (int part = 0; part <= 8; part++) {
    char what[64];
    options.memory_limit = least + (all - least) * (unsigned)part / 8;
    snprintf(what, sizeof what, "memory_limit %llu", (unsigned long long)options.memory_limit);
    model = open_tiny(&options);
    CHECK(dit_job_memory(model, &p, &bytes, &error) == DIT_OK && bytes <= options.memory_limit, "%s: %s", what,
          error.message);
    dit_model_close(model);
    check_options(&options, what);
  }
}

/* ---- Bits ---- */

static void test_budgets(const dit_model *model) {
  static const int64_t budgets[] = {0, 100, 2000, -1};
  dit_params p = base_params();
  for (int i = 0; i < 4; i++) {
    dit_job *job;
    CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start");
    const int calls = finish(job, budgets[i]);
    CHECK(job_equals(job, expected, COUNT), "a budget of %d us changes the pictures", (int)budgets[i]);
    CHECK(budgets[i] >= 0 || calls == 1, "a negative budget took %d calls", calls);
    CHECK(dit_job_advance(job, 0, NULL) == DIT_OK, "a finished job stays finished");
    dit_job_end(job);
  }
}

static void test_batches(const dit_model *model) {
  static const int32_t order[COUNT] = {4, 2, 0, 3, 1};
  uint8_t pixels[COUNT * PICTURE];
  dit_params p = base_params();
  p.count = 1;
  for (int i = 0; i < COUNT; i++) {
    p.classes = &classes[i];
    p.seeds = &seeds[i];
    generate(model, &p, pixels, PICTURE);
    CHECK(!memcmp(pixels, expected + i * PICTURE, PICTURE), "picture %d alone differs from the same in a batch", i);
    p.seeds = NULL;
    p.seed = seeds[i];
    generate(model, &p, pixels, PICTURE);
    CHECK(!memcmp(pixels, expected + i * PICTURE, PICTURE), "picture %d: seed and seeds differ", i);
  }
  int32_t c[COUNT];
  uint64_t s[COUNT];
  for (int i = 0; i < COUNT; i++) {
    c[i] = classes[order[i]];
    s[i] = seeds[order[i]];
  }
  p = base_params();
  p.classes = c;
  p.seeds = s;
  generate(model, &p, pixels, sizeof pixels);
  for (int i = 0; i < COUNT; i++)
    CHECK(!memcmp(pixels + i * PICTURE, expected + order[i] * PICTURE, PICTURE), "picture %d depends on the order",
          order[i]);
  for (int i = 0; i < COUNT; i++) {
    c[i] = i == 2 ? classes[2] : 1;
    s[i] = i == 2 ? seeds[2] : 55 + (uint64_t)i;
  }
  generate(model, &p, pixels, sizeof pixels);
  CHECK(!memcmp(pixels + 2 * PICTURE, expected + 2 * PICTURE, PICTURE), "a picture depends on its neighbours");
  CHECK(memcmp(pixels, expected, PICTURE) != 0, "other seeds and classes make the same picture");
  p.seeds = NULL;
  p.seed = UINT64_MAX - 1;
  for (int i = 0; i < COUNT; i++) s[i] = p.seed + (uint64_t)i;
  uint8_t again[COUNT * PICTURE];
  generate(model, &p, again, sizeof again);
  p.seeds = s;
  generate(model, &p, pixels, sizeof pixels);
  CHECK(!memcmp(pixels, again, sizeof again), "seeds NULL is not seed + i");
}

/* The generator's own numbers, given as noise, make the same pictures. */
static void check_own_numbers(const dit_model *model, dit_params p, const uint8_t *truth) {
  const int32_t count = p.count;
  float *noise = (float *)malloc((size_t)count * LATENT * sizeof(float));
  float *steps = (float *)malloc((size_t)p.steps * (size_t)count * LATENT * sizeof(float));
  uint8_t *pixels = (uint8_t *)malloc((size_t)count * PICTURE);
  for (int32_t i = 0; i < count; i++) {
    dit_rng *rng;
    dit_rng_open(DIT_GENERATOR_DIT, p.seeds ? p.seeds[i] : p.seed + (uint64_t)i, &rng, NULL);
    dit_rng_normal(rng, LATENT, noise + i * LATENT);
    for (int k = 0; k < p.steps; k++) dit_rng_normal(rng, LATENT, steps + (k * count + i) * LATENT);
    dit_rng_close(rng);
  }
  p.noise = noise;
  p.step_noise = steps;
  p.seeds = NULL;
  p.seed = 99;
  generate(model, &p, pixels, (size_t)count * PICTURE);
  CHECK(!memcmp(pixels, truth, (size_t)count * PICTURE),
        "the generator's own numbers, given as noise, make other pictures");
  free(noise);
  free(steps);
  free(pixels);
}

/* Many pictures: several batches, the last of which is smaller. */
static void test_many(const dit_model *model) {
  enum { MANY = 131 };
  static uint8_t pixels[MANY * PICTURE];
  uint8_t one[PICTURE];
  int32_t many[MANY];
  dit_params p = base_params();
  for (int i = 0; i < MANY; i++) many[i] = i % 7 - 1;
  p.count = MANY;
  p.classes = many;
  p.seeds = NULL;
  p.steps = 2;
  generate(model, &p, pixels, sizeof pixels);
  check_own_numbers(model, p, pixels);
  p.count = 1;
  for (int i = 0; i < MANY; i += 26) {
    p.classes = &many[i];
    p.seed = (uint64_t)i;
    generate(model, &p, one, sizeof one);
    CHECK(!memcmp(one, pixels + i * PICTURE, PICTURE), "picture %d of %d differs from itself alone", i, MANY);
  }
}

static void test_threads(void) {
  static const int32_t threads[] = {2, 3, 5, 16};
  dit_options options = one_thread();
  char what[64];
  for (int i = 0; i < 4; i++) {
    static host h;
    options.threads = threads[i];
    snprintf(what, sizeof what, "threads = %d", threads[i]);
    check_options(&options, what);
    dit_options hooked = host_options(&h);
    hooked.threads = threads[i];
    hooked.parallel_for = host_serial;
    check_options(&hooked, "a serial parallel_for");
    hooked.parallel_for = host_reversed;
    check_options(&hooked, "a reversed parallel_for");
    hooked.parallel_for = host_threads;
    check_options(&hooked, "a parallel_for of threads");
    CHECK(h.most > 1 && h.most <= threads[i], "%d threads: parallel_for was asked for up to %d tasks", threads[i],
          h.most);
    CHECK(h.count == 0 && h.wrong == 0, "hooks: %d blocks left, %d wrong", h.count, h.wrong);
  }
  static host h;
  dit_options hooked = host_options(&h);
  dit_info info = {.struct_size = sizeof info};
  hooked.parallel_for = host_serial;
  dit_model *model = open_tiny(&hooked);
  CHECK(dit_model_info(model, &info) == DIT_OK && info.threads == 8,
        "with parallel_for the default is 8 threads, not %d", info.threads);
  dit_params p = base_params(), out = {.struct_size = sizeof out};
  p.threads = 2;
  uint8_t pixels[COUNT * PICTURE];
  CHECK(dit_params_resolve(model, &p, &out, NULL) == DIT_OK && out.threads == 2,
        "dit_params.threads lowers the model's");
  h.most = 0;
  generate(model, &p, pixels, sizeof pixels);
  CHECK(h.most == 2 && !memcmp(pixels, expected, sizeof pixels), "dit_params.threads 2: %d tasks", h.most);
  p.threads = 100;
  CHECK(dit_params_resolve(model, &p, &out, NULL) == DIT_OK && out.threads == 8,
        "dit_params.threads cannot raise the model's");
  dit_model_close(model);
}

static void test_isas(void) {
  int tried = 0;
  for (int32_t isa = DIT_ISA_SCALAR; dit_isa_name(isa); isa++) {
    dit_options options = one_thread();
    dit_model *model = NULL;
    dit_info info = {.struct_size = sizeof info};
    dit_error error = {0};
    options.isa = isa;
    const dit_status status = dit_model_open_memory(tiny_bytes, tiny_size, &options, &model, &error);
    CHECK(status == DIT_OK || (isa != DIT_ISA_SCALAR && status == DIT_ERROR_UNSUPPORTED && host_sentence(&error)),
          "isa %d: %s", isa, error.message);
    if (status) continue;
    tried++;
    CHECK(dit_model_info(model, &info) == DIT_OK && info.isa == isa, "isa %d is not used", isa);
    dit_model_close(model);
    char what[32];
    snprintf(what, sizeof what, "isa %d", isa);
    check_options(&options, what);
  }
  printf("  %d instruction sets compared\n", tried);
}

static void test_loads(void) {
  char path[512];
  dit_options options = one_thread();
  dit_params p = base_params();
  uint8_t pixels[COUNT * PICTURE];
  dit_model *model;
  dit_error error = {0};
  dit_info info = {.struct_size = sizeof info};
  if (!CHECK(synthetic_file(synthetic_path(path, sizeof path, "load"), TINY_DIT, TINY_VAE, DIT_TYPE_F32), "no file"))
    return;
  for (int32_t load = 0; load == 0 || dit_load_name(load); load++) {
    options.load = load;
    if (!CHECK(dit_model_open(path, &options, &model, &error) == DIT_OK, "%s", error.message)) continue;
    dit_model_info(model, &info);
    CHECK(info.load == (load ? load : DIT_LOAD_MAP) && info.file_size == tiny_size, "load %d: info says %d", load,
          info.load);
    if (load == DIT_LOAD_READ) fclose(fopen(path, "wb")); /* it survives a file that shrinks */
    generate(model, &p, pixels, sizeof pixels);
    CHECK(!memcmp(pixels, expected, sizeof pixels), "load %d changes the pictures", load);
    dit_model_close(model);
  }
  remove(path);
  uint8_t *moved = (uint8_t *)malloc(tiny_size + 64);
  for (int shift = 1; moved && shift < 8; shift += 2) {
    memcpy(moved + shift, tiny_bytes, tiny_size);
    model = open_bytes(moved + shift, tiny_size, &options);
    generate(model, &p, pixels, sizeof pixels);
    CHECK(!memcmp(pixels, expected, sizeof pixels), "a model %d bytes off its alignment makes other pictures", shift);
    dit_model_close(model);
  }
  free(moved);
}

/* The same promises hold for int8, with q8 weights. */
static void test_q8(void) {
  char path[512];
  uint8_t truth[COUNT * PICTURE], pixels[COUNT * PICTURE];
  dit_options options = one_thread();
  dit_params p = base_params();
  dit_info info = {.struct_size = sizeof info};
  size_t size = 0, all = 0;
  if (!CHECK(synthetic_file(synthetic_path(path, sizeof path, "q8"), TINY_DIT, TINY_VAE, DIT_TYPE_Q8), "no file"))
    return;
  uint8_t *bytes = npy_load(path, &size);
  remove(path);
  dit_model *model = open_bytes(bytes, size, &options);
  CHECK(dit_model_info(model, &info) == DIT_OK && info.compute == DIT_COMPUTE_INT8 && info.weight_type == DIT_TYPE_Q8,
        "q8 weights, int8");
  generate(model, &p, truth, sizeof truth);
  CHECK(memcmp(truth, expected, sizeof truth) != 0, "q8 and f32 weights make the same bytes");
  CHECK(dit_job_memory(model, &p, &all, NULL) == DIT_OK, "dit_job_memory");
  p.count = 1;
  p.classes = &classes[2];
  p.seeds = &seeds[2];
  generate(model, &p, pixels, PICTURE);
  CHECK(!memcmp(pixels, truth + 2 * PICTURE, PICTURE), "int8: a picture depends on its batch");
  dit_model_close(model);
  p = base_params();
  for (int i = 0; i < 10; i++) {
    static host h;
    options = host_options(&h);
    options.threads = i < 4 ? i + 2 : 1;
    options.parallel_for = i < 4 ? host_threads : NULL;
    options.isa = i >= 4 && i < 8 ? i - 3 : 0;
    options.memory_limit = i == 8 ? all * 3 / 4 : 0;
    options.compute = i == 9 ? DIT_COMPUTE_F32 : 0;
    if (dit_model_open_memory(bytes, size, &options, &model, NULL))
      continue; /* this processor does not have the instruction set */
    generate(model, &p, pixels, sizeof pixels);
    CHECK(!memcmp(pixels, truth, sizeof truth) == (i != 9), "int8: threads %d, isa %d, limit %d, compute %d",
          options.threads, options.isa, (int)options.memory_limit, options.compute);
    dit_model_close(model);
    CHECK(h.count == 0 && h.wrong == 0, "int8: %d blocks left", h.count);
  }
  free(bytes);
}

/* ---- The sampler, compared with one that is written here ---- */

typedef struct reference {
  int32_t steps, sampler, spacing, channels, variance, clip, condition;
  double guidance, from, to, eta;
  uint64_t seed;
} reference;

static double reference_variance(const reference *r, const dit_schedule_row *row, int32_t last, double v) {
  (void)last;
  if (r->variance == DIT_VARIANCE_FIXED_LARGE) return log(row->beta);
  if (r->variance == DIT_VARIANCE_FIXED_SMALL) return row->posterior_log_variance;
  const double part = (v + 1) / 2;
  return part * log(row->beta) + (1 - part) * row->posterior_log_variance;
}

static double reference_step(const reference *r, const dit_schedule_row *row, int32_t last, double x, double eps,
                             double v, double z) {
  const double a = row->alpha_cumprod, b = row->alpha_cumprod_prev;
  double x0 = (x - sqrt(1 - a) * eps) / sqrt(a);
  if (r->clip == DIT_CLIP_ON) x0 = fmax(-1, fmin(1, x0));
  if (r->sampler == DIT_SAMPLER_DDPM) {
    const double mean = row->posterior_mean_x0 * x0 + row->posterior_mean_x * x;
    return last ? mean : mean + exp(0.5 * reference_variance(r, row, last, v)) * z;
  }
  const double direction = (x - sqrt(a) * x0) / sqrt(1 - a), sigma = row->ddim_sigma;
  return sqrt(b) * x0 + sqrt(fmax(0, 1 - b - sigma * sigma)) * direction + (last ? 0 : sigma * z);
}

/* The final latent of one picture. */
static void reference_run(const dit_model *model, const reference *r, float *x) {
  dit_schedule_row rows[64];
  dit_params p = {.struct_size = sizeof p,
                  .steps = r->steps,
                  .sampler = r->sampler,
                  .timestep_spacing = r->spacing,
                  .eta = (float)r->eta};
  float both[2 * LATENT], out[2][2 * LATENT], z[LATENT];
  dit_rng *rng;
  int32_t count = 0;
  CHECK(dit_schedule(&p, 64, rows, &count, NULL) == DIT_OK && count == r->steps, "dit_schedule");
  CHECK(dit_rng_open(0, r->seed, &rng, NULL) == DIT_OK, "dit_rng_open");
  dit_rng_normal(rng, LATENT, x);
  for (int32_t k = 0; k < count; k++) {
    const double place = (k + 0.5) / count;
    const int guided = r->guidance != 1 && place >= r->from && place <= r->to;
    const int32_t pair[2] = {r->condition, -1};
    const float times[2] = {(float)rows[k].timestep, (float)rows[k].timestep};
    memcpy(both, x, LATENT * sizeof(float));
    memcpy(both + LATENT, x, LATENT * sizeof(float));
    CHECK(forward(model, 2, 8, 8, both, times, pair, out[0], NULL) == DIT_OK, "dit_forward");
    dit_rng_normal(rng, LATENT, z);
    for (int i = 0; i < LATENT; i++) {
      double eps = out[0][i];
      if (guided && i < r->channels * 64) eps = out[1][i] + r->guidance * (eps - out[1][i]);
      x[i] = (float)reference_step(r, &rows[k], k == count - 1, x[i], eps, out[0][LATENT + i], z[i]);
    }
  }
  dit_rng_close(rng);
}

static void test_sampler(const dit_model *model) {
  static const reference cases[] = {
      {9, DIT_SAMPLER_DDPM, DIT_SPACING_EVEN, 3, DIT_VARIANCE_LEARNED_RANGE, DIT_CLIP_OFF, 2, 3, 0, 1, 0, 5},
      {9, DIT_SAMPLER_DDPM, DIT_SPACING_EVEN, 4, DIT_VARIANCE_FIXED_LARGE, DIT_CLIP_OFF, 1, 1.5, 0, 1, 0, 6},
      {8, DIT_SAMPLER_DDPM, DIT_SPACING_DDIM, 1, DIT_VARIANCE_FIXED_SMALL, DIT_CLIP_ON, 0, 4, 0.3, 0.7, 0, 7},
      {10, DIT_SAMPLER_DDIM, DIT_SPACING_DDIM, 3, DIT_VARIANCE_LEARNED_RANGE, DIT_CLIP_OFF, 5, 2, 0, 1, 0, 8},
      {10, DIT_SAMPLER_DDIM, DIT_SPACING_DDIM, 2, DIT_VARIANCE_LEARNED_RANGE, DIT_CLIP_OFF, 5, 2, 0.5, 0.6, 0.5, 9},
      {7, DIT_SAMPLER_DDIM, DIT_SPACING_EVEN, 3, DIT_VARIANCE_LEARNED_RANGE, DIT_CLIP_ON, 3, 2, 0, 0.5, 1, 10},
      {10, DIT_SAMPLER_DDIM, DIT_SPACING_DDIM, 3, DIT_VARIANCE_LEARNED_RANGE, DIT_CLIP_OFF, 4, 1, 0, 1, 0, 11},
      {1, DIT_SAMPLER_DDPM, DIT_SPACING_EVEN, 3, DIT_VARIANCE_LEARNED_RANGE, DIT_CLIP_OFF, 4, 3, 0, 1, 0, 12},
  };
  double worst = 0;
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    const reference *r = &cases[c];
    float truth[LATENT], latent[LATENT] = {0};
    dit_params p = {
        .struct_size = sizeof p, .classes = &r->condition, .seed = r->seed, .steps = r->steps, .sampler = r->sampler};
    dit_job *job;
    dit_error error = {0};
    double off = 0, size = 0;
    p.timestep_spacing = r->spacing;
    p.guidance_channels = r->channels == 4 ? -1 : r->channels;
    p.variance_type = r->variance;
    p.clip_sample = r->clip;
    p.guidance_scale = (float)r->guidance;
    p.guidance_start = (float)r->from;
    p.guidance_end = (float)r->to;
    p.eta = (float)r->eta;
    reference_run(model, r, truth);
    CHECK(dit_job_start(model, &p, &job, &error) == DIT_OK, "case %d: %s", (int)c, error.message);
    finish(job, -1);
    dit_job_latent(job, 0, latent, NULL);
    dit_job_end(job);
    for (int i = 0; i < LATENT; i++) {
      off += (latent[i] - (double)truth[i]) * (latent[i] - (double)truth[i]);
      size += (double)truth[i] * truth[i];
    }
    worst = fmax(worst, sqrt(off / size));
    CHECK(off <= 1e-10 * size, "case %d differs from the formulas by %.1e", (int)c, sqrt(off / size));
  }
  printf("  jobs against a sampler over dit_forward: %.1e at most\n", worst);
}

/* 1 if picture 0 has the same final latent with two sets of parameters. */
static int same_latents(const dit_model *model, const dit_params *a, const dit_params *b) {
  const dit_params *both[2] = {a, b};
  float latent[2][LATENT];
  memset(latent, 0, sizeof latent);
  for (int i = 0; i < 2; i++) {
    dit_job *job;
    dit_error error = {0};
    if (!CHECK(dit_job_start(model, both[i], &job, &error) == DIT_OK, "dit_job_start: %s", error.message)) return -1;
    finish(job, -1);
    dit_job_latent(job, 0, latent[i], NULL);
    dit_job_end(job);
  }
  return !memcmp(latent[0], latent[1], sizeof latent[0]);
}

static void test_meanings(const dit_model *model) {
  static const int32_t other[COUNT] = {4, 1, 0, 3, 3}, none[COUNT] = {-1, -1, -1, -1, -1};
  dit_params p = base_params(), q = p;
  q.guidance_end = 1;
  CHECK(same_latents(model, &p, &q) == 1, "guidance from 0 to 1 is not the default");
  q.guidance_start = 0.5f;
  q.guidance_end = 0.6f;
  CHECK(same_latents(model, &p, &q) == 0, "guidance from 0.5 to 0.6 changes nothing");
  q = p;
  q.classes_b = other;
  CHECK(same_latents(model, &p, &q) == 1, "mix 0 is not the class");
  q.class_mix = 0.5f;
  CHECK(same_latents(model, &p, &q) == 0, "mix 0.5 changes nothing");
  q.class_mix = 1;
  p.classes = other;
  CHECK(same_latents(model, &p, &q) == 1, "mix 1 is not class_b");
  p = q = base_params();
  p.class_mix = q.class_mix = 0.25f;
  p.classes = other;
  p.classes_b = classes;
  q.classes_b = other;
  q.class_mix = 0.75f;
  CHECK(same_latents(model, &p, &q) == 1, "a mix is not symmetric where its factors are exact");
  q.classes_b = none;
  p = q;
  p.class_mix = 0;
  CHECK(same_latents(model, &p, &q) == 0, "a mix with no class changes nothing");
  p = q = base_params();
  p.classes = none;
  q.classes = NULL;
  CHECK(same_latents(model, &p, &q) == 1, "classes -1 are not classes NULL");
  q.guidance_scale = 1;
  CHECK(same_latents(model, &p, &q) == 1, "guidance matters without a class");
  p = q = base_params();
  p.guidance_scale = 1;
  q.guidance_scale = 0.99999994f;
  dit_job *job;
  float a[LATENT], b[LATENT];
  double off = 0;
  int64_t units[2];
  dit_progress progress = {.struct_size = sizeof progress};
  for (int i = 0; i < 2; i++) {
    if (!CHECK(dit_job_start(model, i ? &q : &p, &job, NULL) == DIT_OK, "dit_job_start")) return;
    finish(job, -1);
    dit_job_progress(job, &progress);
    units[i] = progress.units_total;
    dit_job_latent(job, 0, i ? b : a, NULL);
    dit_job_end(job);
  }
  for (int i = 0; i < LATENT; i++) off = fmax(off, fabs((double)a[i] - b[i]));
  CHECK(off < 1e-4, "guidance 1 and the number before it are %.1e apart", off);
  CHECK(units[0] <= units[1], "guidance 1 takes more units");
  p = q = base_params();
  p.sampler = q.sampler = DIT_SAMPLER_DDIM;
  q.eta = 1;
  CHECK(same_latents(model, &p, &q) == 0, "eta changes nothing");
  p = q = base_params();
  q.seeds = NULL;
  q.seed = seeds[0];
  CHECK(same_latents(model, &p, &q) == 1, "seed is not seeds[0]");
}

/* ---- The same promises for pictures to start from, and masks ---- */

static void test_edits(void) {
  static uint8_t start[COUNT * PICTURE], mask[COUNT * SIDE * SIDE], truth[COUNT * PICTURE], pixels[COUNT * PICTURE];
  static host h;
  dit_options options = host_options(&h);
  dit_params p = base_params();
  dit_error error = {0};
  dit_progress progress = {.struct_size = sizeof progress};
  dit_job *job;
  size_t all = 0;
  options.threads = 1;
  dit_model *model = open_tiny(&options);
  for (int i = 0; i < COUNT * PICTURE; i++) start[i] = (uint8_t)(i * 2654435761u >> 24);
  for (int i = 0; i < COUNT * SIDE * SIDE; i++) mask[i] = i % SIDE < 6 ? 0 : 255;
  p.init_image = start;
  for (int masked = 0; masked < 2; masked++) {
    p.mask = masked ? mask : NULL;
    p.strength = masked ? 1 : 0.6f;
    generate(model, &p, truth, sizeof truth);
    CHECK(memcmp(truth, expected, sizeof truth) != 0, "a start picture changes nothing");
    const long calls = h.calls;
    CHECK(dit_job_memory(model, &p, &all, &error) == DIT_OK && dit_job_start(model, &p, &job, &error) == DIT_OK, "%s",
          error.message);
    CHECK(h.calls == calls + 1 && h.last == all,
          "a job with a start picture: %zu bytes told, %zu asked for in %ld calls", all, h.last, h.calls - calls);
    start[0] ^= 255; /* the job has a copy */
    finish(job, 0);
    start[0] ^= 255;
    CHECK(job_equals(job, truth, COUNT), "with a start picture a budget of 0 changes the pictures");
    CHECK(dit_job_progress(job, &progress) == DIT_OK && progress.units == progress.units_total &&
              progress.step == progress.steps && progress.pictures_ready == COUNT,
          "progress with a start picture: %d of %d units, step %d of %d", (int)progress.units,
          (int)progress.units_total, progress.step, progress.steps);
    dit_job_end(job);
    for (int i = 0; i < COUNT; i++) {
      dit_params one = p;
      one.count = 1;
      one.classes = &classes[i];
      one.seeds = &seeds[i];
      one.init_image = start + i * PICTURE;
      one.mask = masked ? mask + i * SIDE * SIDE : NULL;
      generate(model, &one, pixels, PICTURE);
      CHECK(!memcmp(pixels, truth + i * PICTURE, PICTURE), "start picture %d alone differs from the same in a batch",
            i);
    }
    for (int part = 5; part < 8; part++) {
      dit_options limited = one_thread();
      dit_model *other;
      limited.memory_limit = all * (unsigned)part / 8;
      limited.threads = part;
      other = open_tiny(&limited);
      if (dit_job_memory(other, &p, &all, NULL) == DIT_OK) {
        generate(other, &p, pixels, sizeof pixels);
        CHECK(!memcmp(pixels, truth, sizeof truth), "memory_limit or threads change pictures with a start picture");
      }
      dit_model_close(other);
    }
    int64_t total = 1;
    for (int64_t at = 0; at < total; at += 11) {
      if (!CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start")) break;
      for (int64_t i = 0; i < at; i++) dit_job_advance(job, 0, NULL);
      dit_job_cancel(job);
      CHECK(dit_job_advance(job, -1, NULL) == DIT_CANCELLED, "cancelled at unit %d", (int)at);
      dit_job_progress(job, &progress);
      total = progress.units_total;
      dit_job_end(job);
    }
  }
  int kept = 1;
  for (int i = 0; i < COUNT * SIDE * SIDE; i++)
    if (!mask[i]) kept &= !memcmp(truth + i * 4, start + i * 4, 4);
  CHECK(kept, "pixels whose mask is 0 are not those of the start picture");
  p.mask = NULL;
  generate(model, &p, pixels, sizeof pixels);
  CHECK(!memcmp(pixels, expected, sizeof pixels), "strength 1 without a mask is not plain sampling");
  dit_model_close(model);
  CHECK(h.count == 0 && h.wrong == 0, "%d blocks left", h.count);
}

/* ---- Progress, cancelling, state ---- */

static void test_progress(const dit_model *model) {
  dit_params p = base_params();
  dit_job *job;
  dit_progress now = {.struct_size = sizeof now}, before = {.struct_size = sizeof before};
  CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start");
  CHECK(dit_job_progress(job, &before) == DIT_OK, "dit_job_progress");
  CHECK(before.status == DIT_MORE && before.units == 0 && before.step == 0 && before.fraction == 0 &&
            before.pictures_ready == 0 && before.microseconds_left == -1 && before.units_total > STEPS &&
            before.steps >= STEPS,
        "progress at the start");
  dit_status status;
  int64_t most = 0;
  do {
    uint8_t picture[PICTURE];
    status = dit_job_advance(job, 0, NULL);
    CHECK(dit_job_progress(job, &now) == DIT_OK, "dit_job_progress");
    most = now.units - before.units > most ? now.units - before.units : most;
    CHECK(now.status == status && now.units > before.units && now.step >= before.step &&
              now.fraction >= before.fraction && now.pictures_ready >= before.pictures_ready &&
              now.units_total == before.units_total && now.units <= now.units_total && now.step <= now.steps &&
              now.steps == before.steps && now.fraction <= 1 && now.microseconds_left >= -1,
          "progress goes back at unit %d", (int)now.units);
    for (int32_t i = 0; i < COUNT; i++) {
      const dit_status ready = dit_job_pixels(job, i, 0, picture, 0, NULL);
      CHECK(ready == (i < now.pictures_ready ? DIT_OK : DIT_ERROR_STATE), "picture %d of %d ready ones: %d", i,
            now.pictures_ready, ready);
    }
    before = now;
  } while (status == DIT_MORE);
  CHECK(most == 1, "a budget of 0 took up to %d units", (int)most);
  CHECK(now.status == DIT_OK && now.units == now.units_total && now.step == now.steps && now.fraction == 1 &&
            now.pictures_ready == COUNT && now.microseconds_left <= 0,
        "progress at the end: %d of %d units, step %d of %d, %d us left", (int)now.units, (int)now.units_total,
        now.step, now.steps, (int)now.microseconds_left);
  dit_job_cancel(job);
  CHECK(dit_job_advance(job, -1, NULL) == DIT_OK, "a job that is cancelled after its end is finished all the same");
  dit_job_end(job);
}

/* units_total is right for batches and windows of any size. */
static void test_totals(void) {
  dit_options options = one_thread();
  dit_params p = base_params();
  dit_progress progress = {.struct_size = sizeof progress};
  size_t all = 0;
  dit_model *model = open_tiny(&options);
  dit_job_memory(model, &p, &all, NULL);
  dit_model_close(model);
  for (int part = 2; part < 8; part++) {
    dit_job *job;
    options.memory_limit = all * (unsigned)part / 8;
    p.guidance_start = part % 2 ? 0.5f : 0;
    p.guidance_end = part % 2 ? 0.8f : 0;
    model = open_tiny(&options);
    if (dit_job_start(model, &p, &job, NULL) == DIT_OK) {
      finish(job, -1);
      dit_job_progress(job, &progress);
      CHECK(progress.units == progress.units_total && progress.step == progress.steps, "limit %d/8: %d of %d units",
            part, (int)progress.units, (int)progress.units_total);
      dit_job_end(job);
    }
    dit_model_close(model);
  }
}

static void test_cancel(const dit_model *model) {
  dit_params p = base_params();
  dit_progress progress = {.struct_size = sizeof progress};
  uint8_t pixels[PICTURE];
  p.count = 1;
  p.steps = 2;
  dit_job *job;
  int64_t total = 1;
  for (int64_t at = 0; at < total; at++) {
    dit_error error = {0};
    if (!CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start")) return;
    for (int64_t i = 0; i < at; i++) dit_job_advance(job, 0, NULL);
    dit_job_progress(job, &progress);
    total = progress.units_total;
    dit_job_cancel(job);
    const int ended =
        dit_job_advance(job, -1, &error) == DIT_CANCELLED && error.status == DIT_CANCELLED && host_sentence(&error);
    dit_progress after = {.struct_size = sizeof after};
    dit_job_progress(job, &after);
    CHECK(ended && after.status == DIT_CANCELLED && after.units == at && progress.units == at, "cancelled at unit %d",
          (int)at);
    CHECK(
        dit_job_advance(job, 0, NULL) == DIT_CANCELLED && dit_job_pixels(job, 0, 0, pixels, 0, NULL) == DIT_ERROR_STATE,
        "a cancelled job goes on");
    dit_job_end(job);
  }
  for (int64_t at = 0; at < total; at += 7) { /* dit_job_end without dit_job_cancel */
    dit_job_start(model, &p, &job, NULL);
    for (int64_t i = 0; i < at; i++) dit_job_advance(job, 0, NULL);
    dit_job_end(job);
  }
}

/* A signal handler cancels a job, from inside of a task, and from a timer at any moment. */
static dit_job *volatile signalled;

static void cancel_handler(int number) {
  (void)number;
  dit_job_cancel(signalled);
}

static int raise_in; /* how many tasks run before the signal is raised */

static void DIT_CALL raise_parallel(void *user, int32_t count, void(DIT_CALL *task)(void *, int32_t), void *context) {
  (void)user;
  for (int32_t i = 0; i < count; i++) {
    if (raise_in-- == 0) raise(SIGALRM);
    task(context, i);
  }
}

static void test_signals(void) {
  dit_options options = one_thread();
  dit_params p = base_params();
  dit_model *model = NULL;
  uint8_t pixels[4096];
  struct sigaction action, before;
  memset(&action, 0, sizeof action);
  action.sa_handler = cancel_handler;
  sigaction(SIGALRM, &action, &before);
  options.parallel_for = raise_parallel;
  options.threads = 2;
  CHECK(dit_sprites_open(&options, &model, NULL) == DIT_OK,
        "dit_sprites_open"); /* its tasks are large enough for two threads */
  for (int at = 0; at < 300; at += 13) {
    dit_progress progress = {.struct_size = sizeof progress};
    dit_job *job;
    if (!CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start")) break;
    signalled = job;
    raise_in = at;
    int64_t units = 0;
    for (dit_status status = DIT_MORE; status == DIT_MORE && raise_in >= 0; units++)
      status = dit_job_advance(job, 0, NULL);
    CHECK(dit_job_advance(job, -1, NULL) == DIT_CANCELLED && dit_job_progress(job, &progress) == DIT_OK &&
              progress.status == DIT_CANCELLED && progress.units == units,
          "cancelled by a signal in unit %d", (int)units);
    CHECK((dit_job_pixels(job, 0, 0, pixels, 0, NULL) == DIT_OK) == (progress.pictures_ready > 0),
          "pixels of a cancelled job");
    dit_job_end(job);
  }
  raise_in = -1;
  p.steps = 999;
  for (int microseconds = 300; microseconds < 20000; microseconds *= 3) {
    const struct itimerval soon = {{0, 0}, {0, microseconds}};
    dit_job *job;
    if (!CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start")) break;
    signalled = job;
    setitimer(ITIMER_REAL, &soon, NULL);
    CHECK(dit_job_advance(job, -1, NULL) == DIT_CANCELLED, "not cancelled by a timer of %d microseconds", microseconds);
    dit_job_end(job);
  }
  sigaction(SIGALRM, &before, NULL);
  dit_model_close(model);
}

typedef struct racer {
  const dit_model *model;
  dit_job *job;
  uint8_t pixels[COUNT * PICTURE];
  int seen, wrong;
} racer;

static void *race_cancel(void *argument) {
  racer *r = (racer *)argument;
  dit_progress p = {.struct_size = sizeof p};
  do {
    r->wrong += dit_job_progress(r->job, &p) != DIT_OK || p.units < r->seen || p.units > p.units_total;
    r->seen = (int)p.units;
  } while (p.step < 3);
  dit_job_cancel(r->job);
  return NULL;
}

static void *race_generate(void *argument) {
  racer *r = (racer *)argument;
  dit_params p = base_params();
  r->wrong = dit_generate(r->model, &p, DIT_PIXELS_NATIVE, r->pixels, sizeof r->pixels, NULL) != DIT_OK;
  return NULL;
}

/* dit_job_progress and dit_job_cancel race with dit_job_advance; jobs of one model run at the same time. */
static void test_races(void) {
  static racer racers[3];
  static host h;
  pthread_t thread[3];
  dit_options options = one_thread();
  dit_params p = base_params();
  options.user = &h;
  options.threads = 3;
  options.parallel_for = host_threads;
  dit_model *model = open_tiny(&options);
  p.steps = 1000;
  memset(racers, 0, sizeof racers);
  CHECK(dit_job_start(model, &p, &racers[0].job, NULL) == DIT_OK, "dit_job_start");
  pthread_create(&thread[0], NULL, race_cancel, &racers[0]);
  CHECK(dit_job_advance(racers[0].job, -1, NULL) == DIT_CANCELLED, "a job is not cancelled from another thread");
  pthread_join(thread[0], NULL);
  CHECK(!racers[0].wrong, "progress read from another thread goes back");
  dit_job_end(racers[0].job);
  for (int i = 0; i < 3; i++) {
    racers[i].model = model;
    pthread_create(&thread[i], NULL, race_generate, &racers[i]);
  }
  for (int i = 0; i < 3; i++) {
    pthread_join(thread[i], NULL);
    CHECK(!racers[i].wrong && !memcmp(racers[i].pixels, expected, sizeof expected),
          "jobs side by side on one model disturb each other");
  }
  dit_model_close(model);
}

static void test_interleaved(const dit_model *model) {
  dit_options options = one_thread();
  dit_model *other = open_tiny(&options);
  dit_params p = base_params();
  dit_job *a, *b;
  dit_status sa = DIT_MORE, sb = DIT_MORE;
  CHECK(dit_job_start(model, &p, &a, NULL) == DIT_OK && dit_job_start(other, &p, &b, NULL) == DIT_OK, "dit_job_start");
  dit_model_close(other); /* b keeps it alive */
  while (sa == DIT_MORE || sb == DIT_MORE) {
    sa = dit_job_advance(a, 0, NULL);
    sb = dit_job_advance(b, 50, NULL);
  }
  CHECK(job_equals(a, expected, COUNT) && job_equals(b, expected, COUNT), "two jobs disturb each other");
  dit_job_end(a);
  dit_job_end(b);
}

/* ---- Results ---- */

static void test_formats(const dit_model *model) {
  dit_params p = base_params();
  dit_job *job;
  uint8_t native[PICTURE], out[SIDE * (SIDE * 4 + 7)];
  float latent[LATENT], image[PICTURE];
  CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start");
  finish(job, -1);
  for (int32_t i = 0; i < COUNT; i++) {
    dit_job_pixels(job, i, DIT_PIXELS_NATIVE, native, 0, NULL);
    for (int32_t format = DIT_PIXELS_NATIVE; dit_pixels_name(format); format++) {
      const int size = format == DIT_PIXELS_RGB ? 3 : 4, stride = SIDE * size + (i % 2 ? 7 : 0);
      int wrong = 0;
      memset(out, 0xcd, sizeof out);
      CHECK(dit_job_pixels(job, i, format, out, i % 2 ? (size_t)stride : 0, NULL) == DIT_OK, "format %d", format);
      for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
          const uint8_t *from = native + (y * SIDE + x) * 4, *to = out + y * stride + x * size;
          const int multiply = format == DIT_PIXELS_RGB || format == DIT_PIXELS_RGBA_PREMULTIPLIED;
          for (int c = 0; c < 3; c++) {
            const int exact = multiply ? from[c] * from[3] : from[c] * 255; /* 255 times the pixel */
            wrong += abs(to[format == DIT_PIXELS_BGRA ? 2 - c : c] * 255 - exact) > 127;
          }
          if (size == 4) wrong += to[3] != from[3];
        }
        for (int x = SIDE * size; x < stride; x++) wrong += out[y * stride + x] != 0xcd;
      }
      for (size_t k = (size_t)stride * SIDE; k < sizeof out; k++) wrong += out[k] != 0xcd;
      CHECK(!wrong, "format %d: %d bytes are wrong", format, wrong);
    }
    dit_info info = {.struct_size = sizeof info};
    dit_model_info(model, &info);
    CHECK(dit_job_latent(job, i, latent, NULL) == DIT_OK, "dit_job_latent");
    for (int k = 0; k < LATENT; k++) latent[k] /= info.scaling_factor;
    CHECK(dit_vae_decode(model, 1, 8, 8, latent, image, NULL) == DIT_OK, "dit_vae_decode");
    int worst = 0;
    for (int k = 0; k < PICTURE; k++) {
      const double level = floor(fmax(0, fmin(255, 127.5 * image[k % 4 * SIDE * SIDE + k / 4] + 128)));
      worst = abs((int)level - native[k]) > worst ? abs((int)level - native[k]) : worst;
    }
    CHECK(worst <= 1, "picture %d is not its decoded latent: %d levels off", i, worst);
  }
  dit_error error = {0};
  memset(out, 0xcd, sizeof out);
  CHECK(dit_job_preview(job, 0, 0, out, 0, &error) == DIT_ERROR_UNSUPPORTED && out[0] == 0xcd && host_sentence(&error),
        "a preview without a map");
  dit_job_end(job);
}

/* Models without a transformer, decoder or encoder. */
static void test_parts(void) {
  dit_options options = one_thread();
  dit_error error = {0};
  size_t size = 0;
  uint8_t *bytes = file_bytes("dit:hidden=48,depth=1,heads=2,patch=2,latent=8,in=4,classes=6,sigma=0", NULL, &size),
          pixels[64];
  dit_model *model = open_bytes(bytes, size, &options);
  dit_info info = {.struct_size = sizeof info};
  dit_params p = {.struct_size = sizeof p, .classes = classes, .count = 2, .steps = 3};
  dit_job *job;
  float latent[LATENT];
  dit_model_info(model, &info);
  CHECK(info.width == 8 && info.vae_scale_factor == 0 && info.image_channels == 0 && !info.has_decoder &&
            info.label_count == 0,
        "info without an autoencoder");
  CHECK(!dit_model_class_label(model, 0) && dit_model_find_class(model, "a") == DIT_UNKNOWN_CLASS,
        "labels of a model without labels");
  CHECK(dit_generate(model, &p, 0, pixels, sizeof pixels, &error) == DIT_ERROR_UNSUPPORTED &&
            strstr(error.message, "decoder"),
        "pictures without a decoder");
  CHECK(dit_vae_decode(model, 1, 8, 8, latent, latent, &error) == DIT_ERROR_UNSUPPORTED, "decoding without a decoder");
  CHECK(dit_job_start(model, &p, &job, &error) == DIT_OK, "latents alone: %s", error.message);
  finish(job, -1);
  dit_progress progress = {.struct_size = sizeof progress};
  dit_job_progress(job, &progress);
  CHECK(progress.units == progress.units_total && progress.pictures_ready == 2,
        "latents alone: %d of %d units, %d ready", (int)progress.units, (int)progress.units_total,
        progress.pictures_ready);
  CHECK(dit_job_latent(job, 1, latent, &error) == DIT_OK && isfinite(latent[0]), "latents alone");
  CHECK(dit_job_pixels(job, 0, 0, pixels, 0, &error) == DIT_ERROR_UNSUPPORTED, "pixels without a decoder");
  dit_job_end(job);
  p.variance_type = DIT_VARIANCE_LEARNED_RANGE;
  CHECK(dit_job_start(model, &p, &job, &error) == DIT_ERROR_UNSUPPORTED && strstr(error.message, "variance"),
        "a variance that the model has not");
  dit_model_close(model);
  free(bytes);
  bytes = file_bytes(TINY_VAE, NULL, &size);
  model = open_bytes(bytes, size, &options);
  p.variance_type = 0;
  CHECK(dit_job_start(model, &p, &job, &error) == DIT_ERROR_UNSUPPORTED && strstr(error.message, "transformer"),
        "a job without a transformer");
  CHECK(forward(model, 1, 8, 8, latent, latent, NULL, latent, &error) == DIT_ERROR_UNSUPPORTED,
        "a pass without a transformer");
  dit_model_info(model, &info);
  CHECK(!info.has_transformer && info.has_decoder && info.width == 0 && info.class_count == 0 &&
            info.vae_scale_factor == 2,
        "info without a transformer");
  dit_model_close(model);
  free(bytes);
}

static void test_no_null_class(void) {
  char path[512];
  model_content m;
  convert_options wishes;
  dit_error error = {0};
  memset(&m, 0, sizeof m);
  memset(&wishes, 0, sizeof wishes);
  wishes.guidance = -1;
  wishes.null_class = NULL_CLASS_ABSENT;
  synthetic_path(path, sizeof path, "no-null");
  const int made = content_add_synthetic(&m, TINY_DIT, &error) == DIT_OK &&
                   model_write(&m, &wishes, path, NULL, NULL, &error) == DIT_OK;
  content_free(&m);
  if (!CHECK(made, "%s", error.message)) return;
  dit_options options = one_thread();
  dit_model *opened;
  dit_job *job;
  dit_info info = {.struct_size = sizeof info};
  dit_params p = {.struct_size = sizeof p, .classes = classes, .steps = 2};
  CHECK(dit_model_open(path, &options, &opened, &error) == DIT_OK, "%s", error.message);
  remove(path);
  dit_model_info(opened, &info);
  CHECK(info.null_class == -1 && info.class_count == 7 && info.guidance_scale == 1, "info without a null class: %d, %d",
        info.null_class, info.class_count);
  CHECK(dit_job_start(opened, &p, &job, &error) == DIT_OK, "a class without a null class: %s", error.message);
  finish(job, -1);
  dit_job_end(job);
  p.guidance_scale = 2;
  CHECK(dit_job_start(opened, &p, &job, &error) == DIT_ERROR_UNSUPPORTED && strstr(error.message, "null class"),
        "guidance without a null class");
  p.guidance_scale = 1;
  p.classes = NULL;
  CHECK(dit_job_start(opened, &p, &job, &error) == DIT_ERROR_UNSUPPORTED && strstr(error.message, "null class"),
        "no class without a null class");
  float x[LATENT] = {0}, t = 3, out[2 * LATENT];
  CHECK(forward(opened, 1, 8, 8, x, &t, NULL, out, &error) == DIT_ERROR_UNSUPPORTED, "dit_forward without a class");
  dit_model_close(opened);
}

/* ---- The sprites ---- */

/* Sizes other than the model's own: every pixel must be written. */
static void test_sizes(const dit_model *model) {
  static const int32_t sizes[][2] = {{24, 40}, {40, 24}, {8, 8}, {64, 8}};
  dit_error error = {0};
  dit_job *job;
  const int32_t class_id = 3;
  dit_params p = {.struct_size = sizeof p, .classes = &class_id, .steps = 2};
  for (int i = 0; i < 4; i++) {
    static uint8_t pixels[64 * 64 * 4 + 1];
    const size_t size = (size_t)sizes[i][0] * (size_t)sizes[i][1] * 4;
    p.width = sizes[i][0];
    p.height = sizes[i][1];
    memset(pixels, 0, sizeof pixels);
    pixels[size] = 0xcd;
    CHECK(dit_generate(model, &p, 0, pixels, size, &error) == DIT_OK && pixels[size] == 0xcd, "%d x %d: %s", p.width,
          p.height, error.message);
    CHECK(dit_generate(model, &p, 0, pixels, size - 1, &error) == DIT_ERROR_ARGUMENT && strstr(error.message, "size"),
          "too little room");
  }
  static const int32_t bad[][2] = {
      {28, 32}, {32, 28}, {30, 32}, {4, 32}, {-8, 32}, {32, -8}, {8192, 32}, {INT32_MAX, INT32_MAX}, {INT32_MIN, 8}};
  for (int i = 0; i < 9; i++) {
    p.width = bad[i][0];
    p.height = bad[i][1];
    CHECK(dit_job_start(model, &p, &job, &error) == DIT_ERROR_ARGUMENT && strstr(error.message, "width and height"),
          "%d x %d: %s", p.width, p.height, error.message);
  }
}

enum { OWN = 32, SMALL = 8 };

/* The mean difference between a preview and a picture that is scaled down to it. */
static double preview_distance(const uint8_t *preview, const uint8_t *pixels) {
  double off = 0;
  for (int i = 0; i < SMALL * SMALL * 4; i++) {
    const int y = i / 4 / SMALL, x = i / 4 % SMALL;
    double mean = 0;
    for (int k = 0; k < 16; k++) mean += pixels[((y * 4 + k / 4) * OWN + x * 4 + k % 4) * 4 + i % 4] / 16.0;
    off += fabs(mean - preview[i]) / (SMALL * SMALL * 4);
  }
  return off;
}

/* A preview is closer to its own picture than to another, and changes while the job works. */
static void test_preview(const dit_model *model) {
  const int32_t two[2] = {1, 9};
  dit_params p = {
      .struct_size = sizeof p, .count = 2, .classes = two, .seed = 3, .steps = 20, .sampler = DIT_SAMPLER_DDIM};
  static uint8_t pixels[2][OWN * OWN * 4], first[SMALL * SMALL * 4], middle[SMALL * SMALL * 4],
      out[SMALL * (SMALL * 3 + 5)];
  dit_job *job;
  dit_progress progress = {.struct_size = sizeof progress};
  CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start");
  CHECK(dit_job_preview(job, 1, DIT_PIXELS_RGBA_PREMULTIPLIED, first, 0, NULL) == DIT_OK,
        "a preview of a job that has just started");
  int even = 1; /* before the first step a preview has one colour */
  for (int k = 4; k < SMALL * SMALL * 4; k++) even &= first[k] == first[k % 4];
  CHECK(even, "the preview of a job that has just started shows something");
  do {
    dit_job_advance(job, 0, NULL);
    dit_job_progress(job, &progress);
  } while (progress.step < 10);
  CHECK(dit_job_preview(job, 1, DIT_PIXELS_RGBA_PREMULTIPLIED, middle, 0, NULL) == DIT_OK &&
            memcmp(first, middle, sizeof first),
        "previews stand still");
  finish(job, -1);
  for (int i = 0; i < 2; i++) dit_job_pixels(job, i, DIT_PIXELS_RGBA_PREMULTIPLIED, pixels[i], 0, NULL);
  for (int i = 0; i < 2; i++) {
    CHECK(dit_job_preview(job, i, DIT_PIXELS_RGBA_PREMULTIPLIED, first, 0, NULL) == DIT_OK, "dit_job_preview");
    const double own = preview_distance(first, pixels[i]), other = preview_distance(first, pixels[1 - i]);
    printf("  preview %d is %.1f levels from its picture, and %.1f from the other\n", i, own, other);
    CHECK(own < 0.75 * other, "preview %d is %.1f levels from its picture, and %.1f from the other", i, own, other);
  }
  memset(out, 0xcd, sizeof out);
  dit_job_preview(job, 0, DIT_PIXELS_RGBA_PREMULTIPLIED, first, 0, NULL);
  CHECK(dit_job_preview(job, 0, DIT_PIXELS_RGB, out, SMALL * 3 + 5, NULL) == DIT_OK, "a preview with a stride");
  CHECK(out[SMALL * 3] == 0xcd && out[sizeof out - 1] == 0xcd && !memcmp(out, first, 3) &&
            !memcmp(out + SMALL * 3 + 5, first + SMALL * 4, 3),
        "rows of a preview");
  CHECK(dit_job_preview(job, 2, 0, out, 0, NULL) == DIT_ERROR_ARGUMENT &&
            dit_job_preview(job, 0, 9, out, 0, NULL) == DIT_ERROR_ARGUMENT &&
            dit_job_preview(job, 0, 0, out, SMALL * 4 - 1, NULL) == DIT_ERROR_ARGUMENT &&
            dit_job_preview(job, 0, 0, NULL, 0, NULL) == DIT_ERROR_ARGUMENT,
        "arguments of dit_job_preview");
  dit_job_end(job);
}

/* The embedded model has packed weights, in f16, and another head size: it makes one picture in a few ways. */
static void test_sprites_bits(const dit_model *model) {
  static const int32_t isas[] = {DIT_ISA_SCALAR, DIT_ISA_AVX2, DIT_ISA_NEON};
  static uint8_t truth[32 * 32 * 4], pixels[32 * 32 * 4];
  const int32_t class_id = 1;
  dit_params p = {.struct_size = sizeof p, .classes = &class_id, .steps = 1, .guidance_scale = 1};
  CHECK(dit_generate(model, &p, 0, truth, sizeof truth, NULL) == DIT_OK, "dit_generate");
  for (int i = 0; i < 4; i++) {
    static host h;
    dit_options options = host_options(&h);
    dit_model *other;
    options.threads = i < 3 ? 1 : 5;
    options.isa = i < 3 ? isas[i] : 0;
    options.parallel_for = host_threads;
    if (dit_sprites_open(&options, &other, NULL)) continue;
    CHECK(dit_generate(other, &p, 0, pixels, sizeof pixels, NULL) == DIT_OK && !memcmp(pixels, truth, sizeof truth),
          "sprites: %s %d changes the picture", i < 3 ? "isa" : "threads", i < 3 ? isas[i] : 5);
    dit_model_close(other);
    CHECK(h.count == 0 && h.wrong == 0, "sprites: %d blocks left", h.count);
  }
}

/* A job starts quickly, however many pictures it has. */
static void test_start(void) {
  const dit_options options = one_thread();
  dit_model *model;
  if (!CHECK(dit_sprites_open(&options, &model, NULL) == DIT_OK, "dit_sprites_open")) return;
  static const int32_t counts[] = {1, 64, 4096, 65536};
  for (int i = 0; i < 4; i++) {
    int32_t *many = (int32_t *)malloc((size_t)counts[i] * sizeof *many);
    for (int32_t k = 0; k < counts[i]; k++) many[k] = k % 16;
    dit_params p = {
        .struct_size = sizeof p, .count = counts[i], .classes = many, .steps = 1000, .sampler = DIT_SAMPLER_DDPM};
    struct timespec from, to;
    dit_job *job;
    dit_error error = {0};
    timespec_get(&from, TIME_UTC);
    const dit_status status = dit_job_start(model, &p, &job, &error);
    timespec_get(&to, TIME_UTC);
    const double took = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) * 1e-6;
    printf("  dit_job_start of %d pictures: %.1f ms\n", counts[i], took);
    CHECK(status == DIT_OK && (counts[i] > 64 || SANITIZED || took < 100),
          "dit_job_start of %d pictures took %.0f ms: %s", counts[i], took, error.message);
    dit_job_end(job);
    free(many);
  }
  dit_model_close(model);
}

int main(void) {
  dit_options options = one_thread();
  tiny_bytes = file_bytes(TINY_DIT, TINY_VAE, &tiny_size);
  if (!CHECK(tiny_bytes, "the tiny model cannot be written")) return test_end("test_job");
  dit_model *tiny = open_tiny(&options), *sprites = NULL;
  dit_params p = base_params();
  generate(tiny, &p, expected, sizeof expected);
  test_memory();
  test_copies(tiny);
  test_limit();
  test_budgets(tiny);
  test_batches(tiny);
  test_many(tiny);
  check_own_numbers(tiny, p, expected);
  test_threads();
  test_isas();
  test_loads();
  test_q8();
  test_sampler(tiny);
  test_meanings(tiny);
  test_edits();
  test_progress(tiny);
  test_totals();
  test_cancel(tiny);
  test_signals();
  test_races();
  test_interleaved(tiny);
  test_formats(tiny);
  test_parts();
  test_no_null_class();
  dit_model_close(tiny);
  free(tiny_bytes);
  static host h;
  options = host_options(&h); /* its allocate fills memory with garbage */
  options.threads = 1;
  if (CHECK(dit_sprites_open(&options, &sprites, NULL) == DIT_OK, "dit_sprites_open")) {
    test_sizes(sprites);
    test_preview(sprites);
    test_sprites_bits(sprites);
    test_start();
  }
  dit_model_close(sprites);
  CHECK(h.count == 0 && h.wrong == 0, "%d blocks left", h.count);
  return test_end("test_job");
}
