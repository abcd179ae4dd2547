/* Whole runs from a seed, as the official sample.py and diffusers' DiTPipeline do them, against float64 runs of the
 * same networks on PyTorch's own random numbers (tests/golden/pipeline). Fails if the start differs by 2e-6, a latent
 * after any step by a relative L2 error of 2e-5, or more than 2 % of the bytes of the program dit's grid of pictures,
 * or one of them by more than 1; if one picture of a batch, made again alone, is another; or if wishes that do not go
 * together are taken. */
#include <math.h>

#include "examples/cli/lodepng/lodepng.h"
#include "examples/cli/png_memory.h"
#include "tests/marks.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"

#define TRANSFORMER "dit:hidden=64,depth=3,heads=4,patch=2,latent=8,in=4,classes=20"
#define AUTOENCODER "vae:blocks=32+64,layers=1,groups=8,in=3,out=3,latent=4"

enum { STEPS = 10, MOST = 5, SIDE = 8, LATENT = 4 * SIDE * SIDE };

typedef struct run {
  const char *name, *options; /* of dit */
  uint64_t seed;
  int32_t count, classes[MOST];
  int32_t sampler, spacing, guidance_channels;
  float guidance, eta;
} run;

static const run official[] = {
    {"official_10",
     "--reference -c 7,3,11,19,0 -S 0 -s 10",
     0,
     5,
     {7, 3, 11, 19, 0},
     DIT_SAMPLER_DDPM,
     DIT_SPACING_EVEN,
     3,
     4,
     0},
    {"official_ddim10",
     "--reference -c 7,3 -S 1 -s 10 -g 1.5 --sampler ddim --timestep-spacing ddim --eta 0.5",
     1,
     2,
     {7, 3},
     DIT_SAMPLER_DDIM,
     DIT_SPACING_DDIM,
     3,
     1.5f,
     0.5f},
};
static const run pipeline = {
    "diffusers_10", "--diffusers -c 5,12 -S 33 -s 10", 33, 2, {5, 12}, DIT_SAMPLER_DDIM, DIT_SPACING_LEADING, -1, 4, 0};

static char model_path[512];

/* ---- The library, with the noise that sample.py draws ---- */

static float noise[MOST * LATENT], drawn[2 * MOST * LATENT], step_noise[STEPS * MOST * LATENT];

static int draw(const run *r) {
  dit_rng *rng;
  if (!CHECK(dit_rng_open(DIT_GENERATOR_TORCH, r->seed, &rng, NULL) == DIT_OK, "no stream")) return 0;
  const int32_t all = r->count * LATENT;
  dit_rng_normal(rng, all, noise);
  for (int k = 0; k < STEPS; k++) {
    dit_rng_normal(rng, 2 * all, drawn);
    memcpy(step_noise + k * all, drawn, (size_t)all * sizeof *drawn);
  }
  dit_rng_close(rng);
  return 1;
}

static double relative_l2(const float *got, const double *wanted, int64_t count) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < count; i++) {
    difference += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    size += wanted[i] * wanted[i];
  }
  return sqrt(difference / size);
}

/* Runs the job unit by unit; the largest error of a latent after a step. */
static double compare_states(const run *r, dit_job *job, const double *states) {
  const int32_t all = r->count * LATENT;
  double largest = 0;
  int32_t seen = 0;
  for (dit_status status = DIT_MORE; status == DIT_MORE;) {
    dit_progress now = {.struct_size = sizeof now};
    status = dit_job_advance(job, 0, NULL);
    dit_job_progress(job, &now);
    if (now.step == seen) continue;
    seen = now.step;
    for (int32_t i = 0; i < r->count; i++) dit_job_latent(job, i, drawn + i * LATENT, NULL);
    const double error = relative_l2(drawn, states + (int64_t)(seen - 1) * all, all);
    CHECK(error <= MARK_RUN, "%s: off by %.3g after %d steps", r->name, error, (int)seen);
    if (!(error <= largest)) largest = error;
  }
  CHECK(seen == STEPS, "%s: %d steps", r->name, (int)seen);
  return largest;
}

static void test_latents(const dit_model *model, const run *r) {
  char name[128], path[512];
  npy_shape shape = {0}, states_shape = {0};
  snprintf(name, sizeof name, "pipeline/%s__z.npy", r->name);
  float *z = npy_f32(npy_golden(path, sizeof path, name), &shape);
  snprintf(name, sizeof name, "pipeline/%s__states.npy", r->name);
  double *states = npy_f64(npy_golden(path, sizeof path, name), &states_shape);
  const int32_t all = r->count * LATENT;
  if (CHECK(z && states && shape.count == all && states_shape.count == (int64_t)STEPS * all, "%s", path) && draw(r)) {
    float largest = 0;
    for (int32_t i = 0; i < all; i++) largest = fmaxf(largest, fabsf(z[i] - noise[i]));
    CHECK(largest <= (float)MARK_NORMALS, "%s: the start is off by %g", r->name, (double)largest);
    const dit_params params = {.struct_size = sizeof params,
                               .count = r->count,
                               .classes = r->classes,
                               .noise = noise,
                               .step_noise = step_noise,
                               .steps = STEPS,
                               .sampler = r->sampler,
                               .timestep_spacing = r->spacing,
                               .guidance_scale = r->guidance,
                               .guidance_channels = r->guidance_channels,
                               .eta = r->eta};
    dit_job *job;
    dit_error error = {0};
    if (CHECK(dit_job_start(model, &params, &job, &error) == DIT_OK, "%s", error.message)) {
      printf("  %s: largest relative L2 error of latents %.2g\n", r->name, compare_states(r, job, states));
      dit_job_end(job);
    }
  }
  free(z);
  free(states);
}

/* ---- The program dit ---- */

static int dit(const char *options) {
  char command[2048];
  const char *build = getenv("BUILD");
  snprintf(command, sizeof command, "%s/dit -q -m %s %s 2>/dev/null", build ? build : "build", model_path, options);
  return system(command);
}

static unsigned char *read_png(const char *path, unsigned *width, unsigned *height) {
  unsigned char *pixels = NULL;
  const unsigned bad = lodepng_decode24_file(&pixels, width, height, path);
  CHECK(!bad, "%s: %s", path, lodepng_error_text(bad));
  return bad ? NULL : pixels;
}

/* The bytes [3][height][width] that the program wrote. */
static void test_grid(const run *r) {
  char name[128], path[512], output[560], options[800];
  npy_shape shape = {0};
  unsigned width = 0, height = 0;
  snprintf(output, sizeof output, "%s.png", model_path);
  snprintf(options, sizeof options, "%s -o %s", r->options, output);
  CHECK(dit(options) == 0, "dit %s", options);
  unsigned char *pixels = read_png(output, &width, &height);
  snprintf(name, sizeof name, "pipeline/%s__grid.npy", r->name);
  int64_t *wanted = npy_i64(npy_golden(path, sizeof path, name), &shape);
  if (pixels && CHECK(wanted && shape.dimensions == 3 && shape.size[1] == height && shape.size[2] == width,
                      "%s: %u x %u pixels", r->name, width, height)) {
    int64_t other = 0, most = 0, area = (int64_t)width * height;
    for (int64_t i = 0; i < 3 * area; i++) {
      const int64_t away = llabs(pixels[i % area * 3 + i / area] - wanted[i]);
      other += away != 0;
      if (away > most) most = away;
    }
    printf("  %s: %lld of %lld bytes differ\n", r->name, (long long)other, (long long)(3 * area));
    CHECK(most <= 1 && other * 50 <= 3 * area, "%s: %lld bytes differ, by up to %lld", r->name, (long long)other,
          (long long)most);
  }
  free(wanted);
  png_memory_end(); /* frees the pixels */
  remove(output);
}

/* The fourth picture of a batch: cut out of it with a pattern, and made again alone. */
static void test_again(void) {
  char options[1600], one[600], again[600];
  unsigned width = 0, height = 0;
  snprintf(one, sizeof one, "%s-3.png", model_path);
  snprintf(again, sizeof again, "%s-again.png", model_path);
  snprintf(options, sizeof options, "--reference -c 7,3,11,19,0 -s 3 -n 1 -o %s-%%i.png", model_path);
  CHECK(dit(options) == 0, "dit %s", options);
  snprintf(options, sizeof options, "--again %s -o %s", one, again);
  CHECK(dit(options) == 0, "dit %s", options);
  unsigned char *a = read_png(one, &width, &height), *b = read_png(again, &width, &height);
  CHECK(a && b && width == 2 * SIDE && height == 2 * SIDE && !memcmp(a, b, (size_t)(3 * width * height)),
        "picture 3 made again is another");
  png_memory_end(); /* frees both */
  for (int i = 0; i < MOST; i++) {
    snprintf(one, sizeof one, "%s-%d.png", model_path, i);
    remove(one);
  }
  remove(again);
}

static void test_refused(void) {
  static const char *const wrong[] = {"--reference --diffusers",
                                      "--reference --sampler dpm++",
                                      "--reference --timestep-spacing leading",
                                      "--diffusers --timestep-spacing even",
                                      "--reference --generator philox",
                                      "--diffusers -i picture.png"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char options[640];
    snprintf(options, sizeof options, "-c 1 -s 2 %s -o %s-refused.png", wrong[i], model_path);
    CHECK(dit(options) == 2 << 8, "dit %s is taken", wrong[i]);
  }
}

static void test_runs(int forward, const run *runs, size_t count) {
  dit_error error = {0};
  dit_model *model;
  const convert_options wishes = {.type = DIT_TYPE_F32, .guidance = -1, .forward = forward};
  if (!CHECK(synthetic_write(model_path, TRANSFORMER, AUTOENCODER, &wishes), "no model")) return;
  if (!CHECK(dit_model_open(model_path, NULL, &model, &error) == DIT_OK, "%s", error.message)) return;
  for (size_t i = 0; i < count; i++) test_latents(model, &runs[i]);
  dit_model_close(model);
  for (size_t i = 0; i < count; i++) test_grid(&runs[i]);
}

int main(void) {
  synthetic_path(model_path, sizeof model_path, "pipeline");
  test_runs(FORWARD_DIFFUSERS, &pipeline, 1);
  test_runs(0, official, sizeof official / sizeof *official);
  test_again();
  test_refused();
  remove(model_path);
  return test_end("pipeline");
}
