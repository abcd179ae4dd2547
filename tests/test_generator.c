/* PyTorch's streams of normal numbers, against what torch.randn returned and against float64 (tests/golden/rng), and
 * how a job uses them.
 *
 * The test fails if a number is off by 2e-6, in calls for fewer than 16 numbers, for 16 and more, for a number that is
 * not a multiple of 16, and for a mixture of these; if the high half of a seed matters for TORCH, or does not for
 * PHILOX; if a picture's noise in a job is not that of a stream of its own, in any batch, with the caller's start
 * noise, or from a picture; or if the caller's rounding mode changes the numbers. */
#include <fenv.h>
#include <math.h>

#include "tests/marks.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"

/* ---- Streams ---- */

typedef struct stream_case {
  const char *name;
  int32_t generator;
  uint64_t seed;
  int32_t calls[4]; /* ended by 0 */
} stream_case;

static const stream_case cases[] = {
    {"cpu_seed0_n4", DIT_GENERATOR_TORCH, 0, {4}},
    {"cpu_seed0_n16", DIT_GENERATOR_TORCH, 0, {16}},
    {"cpu_seed0_n1000", DIT_GENERATOR_TORCH, 0, {1000}},
    {"cpu_seed0_latent", DIT_GENERATOR_TORCH, 0, {4096}},
    {"cpu_seed1_n15", DIT_GENERATOR_TORCH, 1, {15}},
    {"cpu_seed42_n17", DIT_GENERATOR_TORCH, 42, {17}},
    {"cpu_seed42_n31_n31", DIT_GENERATOR_TORCH, 42, {31, 31}},
    {"cpu_seed7_n5_n5", DIT_GENERATOR_TORCH, 7, {5, 5}},
    {"cpu_seed7_n5_n16_n3", DIT_GENERATOR_TORCH, 7, {5, 16, 3}},
    {"cpu_seed123_n1_n64_n2_n40", DIT_GENERATOR_TORCH, 123, {1, 64, 2, 40}},
    {"cpu_seed4294967301_n16", DIT_GENERATOR_TORCH, 4294967301u, {16}},
    {"cpu_seed3_n256_n256", DIT_GENERATOR_TORCH, 3, {256, 256}},
    {"philox_seed0", DIT_GENERATOR_PHILOX, 0, {12, 64}},
    {"philox_seed42", DIT_GENERATOR_PHILOX, 42, {64, 64, 7}},
    {"philox_seed_big", DIT_GENERATOR_PHILOX, 1311768467463790320u, {33, 5}},
};

static double compare_call(const char *file, int32_t count, const float *got) {
  char name[128], path[512];
  npy_shape shape = {0};
  snprintf(name, sizeof name, "rng/%s.npy", file);
  double *wanted = npy_f64(npy_golden(path, sizeof path, name), &shape), largest = 0;
  if (CHECK(wanted != NULL && shape.count == count, "%s", path))
    for (int32_t i = 0; i < count; i++) largest = fmax(largest, fabs(got[i] - wanted[i]));
  CHECK(largest <= MARK_NORMALS, "%s: off by %.3g", file, largest);
  free(wanted);
  return largest;
}

static void test_streams(void) {
  double truth = 0, torch = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const stream_case *c = &cases[i];
    float got[4097];
    dit_rng *rng;
    if (!CHECK(dit_rng_open(c->generator, c->seed, &rng, NULL) == DIT_OK, "%s", c->name)) continue;
    for (int k = 0; k < 4 && c->calls[k]; k++) {
      char file[96];
      got[c->calls[k]] = 99;
      CHECK(dit_rng_normal(rng, c->calls[k], got) == DIT_OK && got[c->calls[k]] == 99, "%s: call %d", c->name, k);
      CHECK(dit_rng_normal(rng, 0, NULL) == DIT_OK, "%s: a call for none", c->name);
      snprintf(file, sizeof file, "%s__call%d", c->name, k);
      truth = fmax(truth, compare_call(file, c->calls[k], got));
      snprintf(file, sizeof file, "%s__call%d_torch", c->name, k);
      if (c->generator == DIT_GENERATOR_TORCH) torch = fmax(torch, compare_call(file, c->calls[k], got));
    }
    dit_rng_close(rng);
  }
  printf("  largest difference: %.2g of float64, %.2g of what PyTorch returned\n", truth, torch);
}

/* The ten-thousandth word of mt19937 with the seed 5489 is in the C++ standard ([rand.predef]). Its low 24 bits are the
 * second uniform number of the pair that makes numbers 9991 and 9999 of a call for 10000. */
static void test_mt(void) {
  enum { COUNT = 10000 };
  float *numbers = (float *)malloc(COUNT * sizeof *numbers);
  dit_rng *rng = NULL;
  if (!CHECK(numbers && dit_rng_open(DIT_GENERATOR_TORCH, 5489, &rng, NULL) == DIT_OK, "no stream")) return;
  dit_rng_normal(rng, COUNT, numbers);
  /* Both numbers of the pair tell its angle. */
  double angle = atan2((double)numbers[9999], (double)numbers[9991]) / (2 * 3.14159265358979323846);
  double wanted = (4123659995u & 0xffffff) / 16777216.0;
  if (angle < 0) angle += 1;
  CHECK(fabs(angle - wanted) < 1e-6, "word 10000: %g, not %g", angle, wanted);
  dit_rng_close(rng);
  free(numbers);
}

static void test_seeds(void) {
  for (int32_t generator = DIT_GENERATOR_DIT; dit_generator_name(generator); generator++) {
    float low[20], high[20];
    dit_rng *a, *b;
    if (!CHECK(!dit_rng_open(generator, 9, &a, NULL) && !dit_rng_open(generator, 9 + ((uint64_t)1 << 32), &b, NULL),
               "generator %d", (int)generator))
      continue;
    dit_rng_normal(a, 20, low);
    dit_rng_normal(b, 20, high);
    const int same = memcmp(low, high, sizeof low) == 0;
    CHECK(same == (generator == DIT_GENERATOR_TORCH), "generator %d: the high half of a seed", (int)generator);
    dit_rng_close(a);
    dit_rng_close(b);
  }
}

static void test_rounding(void) {
  for (int32_t generator = DIT_GENERATOR_TORCH; dit_generator_name(generator); generator++) {
    float numbers[2][120];
    for (int upward = 0; upward < 2; upward++) {
      dit_rng *rng;
      if (!CHECK(dit_rng_open(generator, 5, &rng, NULL) == DIT_OK, "generator %d", (int)generator)) return;
      if (upward && fesetround(FE_UPWARD)) {
        SKIP("this machine does not round upwards");
        dit_rng_close(rng);
        return;
      }
      dit_rng_normal(rng, 7, numbers[upward]);
      dit_rng_normal(rng, 113, numbers[upward] + 7);
      fesetround(FE_TONEAREST);
      dit_rng_close(rng);
    }
    CHECK(memcmp(numbers[0], numbers[1], sizeof numbers[0]) == 0, "the caller's rounding reached the numbers");
  }
}

/* ---- Jobs ---- */

enum { COUNT = 3, STEPS = 4, LATENT = 3 * 5 * 5, SIDE = 10 }; /* LATENT is not a multiple of 16 */

typedef struct drawn {
  float noise[COUNT][LATENT], steps[STEPS][COUNT][LATENT];
} drawn;

/* The numbers of each picture's stream: its start, then the steps from `first` on. */
static int draw(int32_t generator, const uint64_t *seeds, int32_t first, drawn *d) {
  memset(d, 0, sizeof *d);
  for (int i = 0; i < COUNT; i++) {
    dit_rng *rng;
    if (!CHECK(dit_rng_open(generator, seeds[i], &rng, NULL) == DIT_OK, "generator %d", (int)generator)) return 0;
    dit_rng_normal(rng, LATENT, d->noise[i]);
    for (int k = first; k < STEPS; k++) dit_rng_normal(rng, LATENT, d->steps[k][i]);
    dit_rng_close(rng);
  }
  return 1;
}

/* The final latents of a job. */
static int sample(const dit_model *model, const dit_params *params, float out[COUNT][LATENT]) {
  dit_job *job;
  dit_error error = {0};
  dit_status status = dit_job_start(model, params, &job, &error);
  if (!CHECK(status == DIT_OK, "%s", error.message)) return 0;
  status = dit_job_advance(job, -1, &error);
  for (int i = 0; i < COUNT; i++) dit_job_latent(job, i, out[i], NULL);
  dit_job_end(job);
  return CHECK(status == DIT_OK, "%s", error.message);
}

static void compare(const dit_model *model, const dit_params *own, const dit_params *given, const char *what) {
  float ours[COUNT][LATENT], theirs[COUNT][LATENT];
  if (sample(model, own, ours) && sample(model, given, theirs))
    CHECK(memcmp(ours, theirs, sizeof ours) == 0, "generator %d, %s: other latents", (int)own->generator, what);
}

static void test_jobs(const dit_model *model, const char *batches) {
  static const uint64_t seeds[COUNT] = {7, 4294967303u, 8};
  static const int32_t classes[COUNT] = {1, 1, -1};
  static uint8_t pictures[COUNT][SIDE][SIDE][3], masks[COUNT][SIDE][SIDE];
  for (size_t i = 0; i < sizeof pictures; i++) ((uint8_t *)pictures)[i] = (uint8_t)(i * 37 >> 2);
  for (size_t i = 0; i < sizeof masks; i++) ((uint8_t *)masks)[i] = i % SIDE > 3 ? 255 : 0;
  for (int32_t generator = DIT_GENERATOR_TORCH; dit_generator_name(generator); generator++) {
    static drawn d;
    char what[64];
    const dit_params own = {.struct_size = sizeof own,
                            .count = COUNT,
                            .classes = classes,
                            .seeds = seeds,
                            .steps = STEPS,
                            .sampler = DIT_SAMPLER_DDPM,
                            .generator = generator,
                            .guidance_scale = 2};
    dit_params given = own, mine;
    if (!draw(generator, seeds, 0, &d)) return;
    given.noise = d.noise[0];
    given.step_noise = d.steps[0][0];
    snprintf(what, sizeof what, "%s", batches);
    compare(model, &own, &given, what);
    mine = own; /* the caller's start noise does not shift the rest */
    mine.noise = d.noise[0];
    compare(model, &mine, &given, "start noise given");
    mine = own;
    mine.init_image = given.init_image = &pictures[0][0][0][0];
    mine.strength = given.strength = 0.5f;
    mine.mask = given.mask = &masks[0][0][0];
    if (!draw(generator, seeds, STEPS / 2, &d)) return;
    compare(model, &mine, &given, "from masked pictures");
  }
}

/* In a job of 64 pictures each is the one that is made alone. */
static void test_batch(const dit_model *model) {
  enum { BATCH = 64 };
  for (int32_t generator = DIT_GENERATOR_DIT; dit_generator_name(generator); generator++) {
    static float all[BATCH][LATENT];
    int32_t classes[BATCH];
    dit_params p = {.struct_size = sizeof p,
                    .count = BATCH,
                    .classes = classes,
                    .seed = 40,
                    .steps = 2,
                    .sampler = DIT_SAMPLER_DDPM,
                    .generator = generator,
                    .guidance_scale = 3};
    dit_job *job;
    for (int i = 0; i < BATCH; i++) classes[i] = i % 4 - 1;
    if (!CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "64 pictures")) return;
    CHECK(dit_job_advance(job, -1, NULL) == DIT_OK, "64 pictures");
    for (int i = 0; i < BATCH; i++) dit_job_latent(job, i, all[i], NULL);
    dit_job_end(job);
    for (int i = 0; i < BATCH; i++) {
      float alone[LATENT];
      p.count = 1;
      p.classes = &classes[i];
      p.seed = 40 + (uint64_t)i;
      if (!CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "one picture")) return;
      CHECK(dit_job_advance(job, -1, NULL) == DIT_OK, "one picture");
      dit_job_latent(job, 0, alone, NULL);
      dit_job_end(job);
      CHECK(!memcmp(alone, all[i], sizeof alone), "generator %d: picture %d of 64 is another alone", (int)generator, i);
    }
  }
}

/* A batch of all pictures, and smaller ones with less memory. */
static void test_models(void) {
  char path[512];
  if (!CHECK(synthetic_file(synthetic_path(path, sizeof path, "generator"),
                            "dit:hidden=24,depth=1,heads=2,patch=1,latent=5,in=3,classes=3",
                            "vae:blocks=8+8,layers=1,groups=4,in=3,out=3,latent=3", DIT_TYPE_F32),
             "no model"))
    return;
  size_t bytes = 0; /* for all pictures in one batch */
  for (int small = 0; small < 2; small++) {
    dit_model *model;
    dit_error error = {0};
    dit_options options = {.struct_size = sizeof options, .threads = 1, .memory_limit = small ? bytes - 1 : 0};
    if (!CHECK(dit_model_open(path, &options, &model, &error) == DIT_OK, "%s", error.message)) break;
    const dit_params three = {.struct_size = sizeof three, .count = COUNT, .steps = STEPS};
    if (!small) CHECK(!dit_job_memory(model, &three, &bytes, NULL), "dit_job_memory");
    if (!small) test_batch(model);
    test_jobs(model, small ? "smaller batches" : "one batch");
    dit_model_close(model);
  }
  remove(path);
}

int main(void) {
  test_streams();
  test_mt();
  test_seeds();
  test_rounding();
  test_models();
  return test_end("generator");
}
