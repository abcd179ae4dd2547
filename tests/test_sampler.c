/* The samplers' steps, compared with trajectories that another program made in double (tests/golden/sampler; those of
 * DPM-Solver++ follow the paper, tests/reference).
 *
 * The test fails if a trajectory, official or diffusers', is off by a relative L2 error of 1e-5 at any recorded state;
 * if DDIM with eta 1 is not DDPM with the small fixed variance, or a step of order 1 of DPM-Solver++ not DDIM's; if
 * noise is read at a step that needs none; or if a NaN or an infinity changes other numbers. */
#include <math.h>
#include <stdint.h>

#include "lib/sampling/schedule.h"
#include "lib/sampling/solvers.h"
#include "lib/sampling/timesteps.h"
#include "tests/marks.h"
#include "tests/npy.h"
#include "tests/take.h"
#include "tests/test.h"

enum { CLASSES = 2, CHANNELS = 4, ROWS = 4, COLUMNS = 5, NUMBERS = CLASSES * CHANNELS * ROWS * COLUMNS };

static dit_schedule_row rows[DIT__MAX_STEPS];

typedef struct trajectory {
  const char *name;
  int32_t steps, spacing, sampler, variance, clip;
  float eta;
  double guidance; /* scale; 0: without a second pass */
  int guided;      /* leading channels that are guided */
  int32_t after[8];
  int32_t offset, not_clean, scaled; /* of the process */
} trajectory;

/* A stand-in for the network: eps and v of element i, j of channel c, for label y at timestep t. */
static double mock_eps(double x, double t, int c, int i, int j, int y) {
  return tanh(t / 300) * x + 0.25 * sin(0.013 * t + 0.5 * i - 0.25 * j + 0.4 * c + 0.8 * x) +
         0.03 * cos(0.9 * y + 0.3 * i + x);
}

static double mock_v(double x, double t, int c, int y) { return sin(1.7 * x + 0.005 * t + 0.3 * c + 0.1 * y); }

/* x -> eps and v, both [CLASSES][CHANNELS][ROWS][COLUMNS]; guided = null + scale * (labelled - null). */
static void mock_pass(const trajectory *run, double t, const float *x, float *eps, float *v) {
  static const int labels[CLASSES] = {3, 8}, null_label = 11;
  for (int k = 0; k < NUMBERS; k++) {
    int j = k % COLUMNS, i = k / COLUMNS % ROWS, c = k / (COLUMNS * ROWS) % CHANNELS;
    int y = labels[k / (COLUMNS * ROWS * CHANNELS)];
    double value = mock_eps(x[k], t, c, i, j, y);
    if (run->guidance != 0 && c < run->guided) {
      double plain = mock_eps(x[k], t, c, i, j, null_label);
      value = plain + run->guidance * (value - plain);
    }
    eps[k] = (float)value;
    v[k] = (float)mock_v(x[k], t, c, y);
  }
}

static double relative_l2(const float *got, const double *wanted) {
  double difference = 0, size = 0;
  for (int k = 0; k < NUMBERS; k++) {
    difference += (got[k] - wanted[k]) * (got[k] - wanted[k]);
    size += wanted[k] * wanted[k];
  }
  return sqrt(difference / size);
}

/* Whether step k reads noise. The official code reads none at the last step; diffusers' DDPM none at timestep 0, and
 * its DDIM none at the step after which no noise is left. */
static int32_t run_noisy(const trajectory *run, int32_t k) {
  const int32_t last = k + 1 == run->steps;
  if (run->sampler == DIT_SAMPLER_DPMPP) return 0;
  if (run->sampler == DIT_SAMPLER_DDIM) return run->eta > 0 && !last;
  return dit__timesteps_diffusers(run->spacing) ? rows[k].timestep > 0 : !last;
}

/* Runs all steps from x to the last state, in place, and returns the largest relative error at the recorded states.
 * wanted may be NULL. */
static double run_trajectory(const trajectory *run, const float *noise, const double *wanted, float *x) {
  float eps[NUMBERS], v[NUMBERS];
  double largest = 0;
  float clean[NUMBERS];
  int state = 1; /* state 0 is the start */
  dit__process process = dit__process_default;
  process.offset = run->offset;
  process.set_alpha_to_one = !run->not_clean;
  if (run->scaled) process.scaled = 1, process.beta_start = 0.00085, process.beta_end = 0.012;
  int32_t steps = dit__schedule(&process, run->steps, run->spacing, run->sampler, run->eta, DIT__MAX_STEPS, rows, NULL);
  CHECK(steps == run->steps, "%s: %d steps", run->name, (int)steps);
  for (int i = 0; i < NUMBERS; i++) clean[i] = (float)NAN; /* the first step must not read it */
  dit__solver_step step = {.rows = rows,
                           .steps = steps,
                           .sampler = run->sampler,
                           .diffusers = dit__timesteps_diffusers(run->spacing),
                           .variance = run->variance,
                           .clip = run->clip};
  for (int32_t k = 0; k < steps; k++) {
    step.index = k;
    const int32_t noisy = dit__solver_needs_noise(&step), expected = run_noisy(run, k);
    CHECK(noisy == expected, "%s: step %d says it %s noise", run->name, (int)k, noisy ? "needs" : "needs no");
    mock_pass(run, rows[k].timestep, x, eps, v);
    take(&step, NUMBERS, x, eps, run->variance == DIT_VARIANCE_LEARNED_RANGE ? v : NULL,
         noisy ? noise + k * NUMBERS : NULL, clean);
    if (wanted && k + 1 == run->after[state]) {
      double error = relative_l2(x, wanted + state * NUMBERS);
      CHECK(error <= MARK_STEPS, "%s: relative error %.3g after %d steps", run->name, error, (int)k + 1);
      if (!(error <= largest)) largest = error;
      state++;
    }
  }
  CHECK(!wanted || run->after[state - 1] == steps, "%s: %d states compared", run->name, state);
  return largest;
}

#define AFTER_2 \
  { 0, 1, 2 }
#define AFTER_6 \
  { 0, 1, 2, 3, 4, 5, 6 }
#define AFTER_10 \
  { 0, 1, 2, 5, 8, 9, 10 }
#define AFTER_20 \
  { 0, 1, 2, 5, 10, 18, 19, 20 }
#define AFTER_25 \
  { 0, 1, 2, 6, 12, 23, 24, 25 }
#define AFTER_50 \
  { 0, 1, 2, 12, 25, 48, 49, 50 }
#define AFTER_250 \
  { 0, 1, 2, 62, 125, 248, 249, 250 }

static const trajectory runs[] = {
    {"ddpm_50_learned", 50, 1, 1, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"ddpm_50_learned_clip", 50, 1, 1, 1, 2, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"ddpm_250_learned", 250, 1, 1, 1, 1, 0, 0, 0, AFTER_250, 0, 0, 0},
    {"ddpm_50_fixed_large", 50, 1, 1, 2, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"ddpm_50_fixed_small", 50, 1, 1, 3, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"ddpm_ddim50_learned", 50, 2, 1, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"ddpm_2_learned", 2, 1, 1, 1, 1, 0, 0, 0, AFTER_2, 0, 0, 0},
    {"ddim_ddim25_eta0", 25, 2, 2, 1, 1, 0, 0, 0, AFTER_25, 0, 0, 0},
    {"ddim_ddim25_eta05", 25, 2, 2, 1, 1, 0.5f, 0, 0, AFTER_25, 0, 0, 0},
    {"ddim_ddim25_eta1", 25, 2, 2, 1, 1, 1, 0, 0, AFTER_25, 0, 0, 0},
    {"ddim_ddim50_eta0", 50, 2, 2, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"ddim_ddim50_eta05", 50, 2, 2, 1, 1, 0.5f, 0, 0, AFTER_50, 0, 0, 0},
    {"ddim_ddim50_eta1", 50, 2, 2, 1, 1, 1, 0, 0, AFTER_50, 0, 0, 0},
    {"ddim_ddim50_eta0_clip", 50, 2, 2, 1, 2, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"ddim_ddim50_eta1_clip", 50, 2, 2, 3, 2, 1, 0, 0, AFTER_50, 0, 0, 0},
    {"ddim_50_eta0", 50, 1, 2, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"ddpm_50_cfg1_3ch", 50, 1, 1, 1, 1, 0, 1, 3, AFTER_50, 0, 0, 0},
    {"ddpm_50_cfg15_3ch", 50, 1, 1, 1, 1, 0, 1.5, 3, AFTER_50, 0, 0, 0},
    {"ddpm_50_cfg4_3ch", 50, 1, 1, 1, 1, 0, 4, 3, AFTER_50, 0, 0, 0},
    {"ddpm_50_cfg15_all", 50, 1, 1, 1, 1, 0, 1.5, 4, AFTER_50, 0, 0, 0},
    {"ddpm_50_cfg4_all", 50, 1, 1, 1, 1, 0, 4, 4, AFTER_50, 0, 0, 0},
    {"ddim_ddim50_eta0_cfg4_all", 50, 2, 2, 1, 1, 0, 4, 4, AFTER_50, 0, 0, 0},
    {"diffusers_ddim_10_trailing", 10, 4, 2, 1, 1, 0, 0, 0, AFTER_10, 0, 0, 0},
    {"diffusers_ddim_250_leading", 250, 3, 2, 1, 1, 0, 0, 0, AFTER_250, 0, 0, 0},
    {"diffusers_ddim_50_leading", 50, 3, 2, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddim_50_leading_clip", 50, 3, 2, 1, 2, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddim_50_leading_clip_use_clipped_model_output", 50, 3, 2, 1, 3, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddim_50_leading_eta05", 50, 3, 2, 1, 1, 0.5f, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddim_50_leading_no_set_alpha_to_one", 50, 3, 2, 1, 1, 0, 0, 0, AFTER_50, 0, 1, 0},
    {"diffusers_ddim_50_leading_offset1", 50, 3, 2, 1, 1, 0, 0, 0, AFTER_50, 1, 0, 0},
    {"diffusers_ddim_50_leading_offset1_no_set_alpha_to_one", 50, 3, 2, 1, 1, 0, 0, 0, AFTER_50, 1, 1, 0},
    {"diffusers_ddim_50_leading_offset1_scaled", 50, 3, 2, 1, 1, 0, 0, 0, AFTER_50, 1, 1, 1},
    {"diffusers_ddim_50_linspace", 50, 5, 2, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddim_50_linspace_eta10", 50, 5, 2, 1, 1, 1, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddim_50_trailing", 50, 4, 2, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddim_50_trailing_eta10", 50, 4, 2, 1, 1, 1, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddpm_10_trailing_fixed_small", 10, 4, 1, 3, 1, 0, 0, 0, AFTER_10, 0, 0, 0},
    {"diffusers_ddpm_250_leading_learned_range", 250, 3, 1, 1, 1, 0, 0, 0, AFTER_250, 0, 0, 0},
    {"diffusers_ddpm_50_leading_fixed_large", 50, 3, 1, 2, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddpm_50_leading_fixed_small", 50, 3, 1, 3, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddpm_50_leading_fixed_small_clip", 50, 3, 1, 3, 2, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddpm_50_leading_learned_range", 50, 3, 1, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddpm_50_leading_offset1_scaled", 50, 3, 1, 2, 1, 0, 0, 0, AFTER_50, 1, 0, 1},
    {"diffusers_ddpm_50_linspace_learned_range", 50, 5, 1, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"diffusers_ddpm_50_trailing_learned_range", 50, 4, 1, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 0},
    {"dpmpp_6_linspace", 6, 5, 3, 1, 1, 0, 0, 0, AFTER_6, 0, 0, 0},
    {"dpmpp_20_leading_offset1", 20, 3, 3, 1, 1, 0, 0, 0, AFTER_20, 1, 0, 0},
    {"dpmpp_20_linspace", 20, 5, 3, 1, 1, 0, 0, 0, AFTER_20, 0, 0, 0},
    {"dpmpp_20_trailing", 20, 4, 3, 1, 1, 0, 0, 0, AFTER_20, 0, 0, 0},
    {"dpmpp_50_linspace_scaled", 50, 5, 3, 1, 1, 0, 0, 0, AFTER_50, 0, 0, 1},
};

static void test_trajectories(const float *start, const float *noise) {
  double largest = 0;
  const char *where = "";
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
    char name[128], path[512];
    npy_shape shape;
    snprintf(name, sizeof name, "sampler/%s__states.npy", runs[i].name);
    double *wanted = npy_f64(npy_golden(path, sizeof path, name), &shape);
    int states = runs[i].steps == 2 ? 3 : runs[i].steps < 20 ? 7 : 8;
    if (CHECK(wanted != NULL && shape.count == states * NUMBERS, "%s", path)) {
      float x[NUMBERS];
      memcpy(x, start, sizeof x);
      CHECK(relative_l2(x, wanted) == 0, "%s: the start differs", runs[i].name);
      double error = run_trajectory(&runs[i], noise, wanted, x);
      if (!(error <= largest)) largest = error, where = runs[i].name;
    }
    free(wanted);
  }
  printf("  trajectories: largest relative L2 error %.2g (%s)\n", largest, where);
}

/* With the same noise, DDIM with eta 1 is DDPM with the small fixed variance (Song et al. 2020). */
static void test_ddim_is_ddpm(const float *start, const float *noise) {
  for (int32_t clip = DIT_CLIP_OFF; clip <= DIT_CLIP_ON; clip++) {
    trajectory ddpm = {"DDPM", 50, 1, 1, DIT_VARIANCE_FIXED_SMALL, clip, 0, 0, 0, AFTER_50, 0, 0, 0}, ddim = ddpm;
    float x[NUMBERS], other[NUMBERS];
    double wanted[NUMBERS];
    ddim.sampler = DIT_SAMPLER_DDIM;
    ddim.eta = 1;
    memcpy(x, start, sizeof x);
    memcpy(other, start, sizeof other);
    run_trajectory(&ddpm, noise, NULL, x);
    run_trajectory(&ddim, noise, NULL, other);
    for (int k = 0; k < NUMBERS; k++) wanted[k] = x[k];
    double error = relative_l2(other, wanted);
    printf("  DDIM with eta 1 against DDPM, clip %s: %.2g\n", clip == DIT_CLIP_ON ? "on" : "off", error);
    CHECK(error < 1e-6, "DDIM with eta 1 differs from DDPM by %.3g", error);
  }
}

/* ---- Single steps ---- */

/* A schedule of one step goes straight to x0, whatever the sampler and variance. */
static void test_single_step(const float *start) {
  for (int32_t sampler = DIT_SAMPLER_DDPM; sampler <= DIT_SAMPLER_DPMPP; sampler++) {
    for (int32_t variance = DIT_VARIANCE_LEARNED_RANGE; dit_variance_name(variance); variance++) {
      float x[NUMBERS], eps[NUMBERS], v[NUMBERS], clean[NUMBERS];
      const dit__solver_step step = {
          .rows = rows, .steps = 1, .sampler = sampler, .variance = variance, .clip = DIT_CLIP_OFF};
      int32_t count = dit__schedule(&dit__process_default, 1, DIT_SPACING_EVEN, sampler, 1, DIT__MAX_STEPS, rows, NULL);
      CHECK(count == 1 && rows[0].timestep == 0 && rows[0].posterior_log_variance == 0, "one step: %d", (int)count);
      CHECK(rows[0].ddim_sigma == 0 && !dit__solver_needs_noise(&step), "the only step has noise");
      for (int k = 0; k < NUMBERS; k++) x[k] = start[k], eps[k] = start[NUMBERS - 1 - k], v[k] = 0;
      take(&step, NUMBERS, x, eps, v, NULL, clean);
      for (int k = 0; k < NUMBERS; k++) {
        double wanted = (start[k] - sqrt(0.0001) * eps[k]) / sqrt(0.9999);
        CHECK(fabs(x[k] - wanted) < 1e-6, "sampler %d: %g, not %g", (int)sampler, (double)x[k], wanted);
      }
    }
  }
}

/* NaN, infinities and very large numbers pass through, and do not change the other numbers. */
static void test_not_finite(void) {
  float bad[5] = {(float)NAN, (float)INFINITY, -(float)INFINITY, 3e38f, 0.25f};
  float held[5] = {0, 0, 0, 0, 0};
  dit__schedule(&dit__process_default, 50, DIT_SPACING_EVEN, DIT_SAMPLER_DDPM, 1, DIT__MAX_STEPS, rows, NULL);
  for (int32_t sampler = DIT_SAMPLER_DDPM; sampler <= DIT_SAMPLER_DPMPP; sampler++) {
    for (int32_t clip = 1; clip <= 2; clip++) {
      for (int which = 0; which < 4; which++) { /* the input that is bad */
        float in[4][5], clean[4][5];
        for (int k = 0; k < 20; k++)
          in[k / 5][k % 5] = k / 5 == which ? bad[k % 5] : 0.25f, clean[k / 5][k % 5] = 0.25f;
        const dit__solver_step step = {.rows = rows,
                                       .index = 20,
                                       .steps = 50,
                                       .sampler = sampler,
                                       .variance = DIT_VARIANCE_LEARNED_RANGE,
                                       .clip = clip};
        for (int k = 0; k < 5; k++) held[k] = 0;
        take(&step, 5, in[0], in[1], in[2], in[3], held);
        for (int k = 0; k < 5; k++) held[k] = 0;
        take(&step, 5, clean[0], clean[1], clean[2], clean[3], held);
        CHECK(in[0][4] == clean[0][4], "input %d: a neighbour became %g", which, (double)in[0][4]);
        /* DDIM does not read v, and DPM-Solver++ neither v nor noise. */
        int ignored = (which == 2 && sampler != DIT_SAMPLER_DDPM) || (which == 3 && sampler == DIT_SAMPLER_DPMPP);
        CHECK(ignored || in[0][0] != in[0][0], "input %d: NaN became %g", which, (double)in[0][0]);
      }
    }
  }
}

/* The step at `first` is of order 1, which is DDIM's (Lu et al. 2022, section 4.1). */
static void test_first_order(const float *start) {
  float x[NUMBERS], other[NUMBERS], eps[NUMBERS], clean[NUMBERS];
  dit__schedule(&dit__process_default, 20, DIT_SPACING_LINSPACE, DIT_SAMPLER_DPMPP, 0, DIT__MAX_STEPS, rows, NULL);
  for (int k = 0; k < NUMBERS; k++) {
    x[k] = other[k] = start[k];
    eps[k] = start[NUMBERS - 1 - k];
    clean[k] = (float)NAN;
  }
  dit__solver_step step = {.rows = rows,
                           .index = 7,
                           .first = 7,
                           .steps = 20,
                           .sampler = DIT_SAMPLER_DPMPP,
                           .diffusers = 1,
                           .variance = DIT_VARIANCE_LEARNED_RANGE,
                           .clip = DIT_CLIP_OFF};
  take(&step, NUMBERS, x, eps, NULL, NULL, clean);
  step.sampler = DIT_SAMPLER_DDIM;
  take(&step, NUMBERS, other, eps, NULL, NULL, clean);
  for (int k = 0; k < NUMBERS; k++)
    CHECK(fabsf(x[k] - other[k]) <= 1e-6f, "number %d: %g, of DDIM %g", k, (double)x[k], (double)other[k]);
}

/* DIT_VARIANCE_LEARNED: v is the logarithm of the variance, or with diffusers' spacings the variance. */
static void test_learned(void) {
  static const float v[3] = {-0.5f, 0.25f, -2};
  static const int32_t spacings[] = {DIT_SPACING_EVEN, DIT_SPACING_LEADING};
  for (int i = 0; i < 2; i++) {
    const int32_t spacing = spacings[i];
    float x[3] = {0.5f, 0.5f, 0.5f}, plain[3] = {0.5f, 0.5f, 0.5f}, clean[3];
    const float eps[3] = {0, 0, 0}, noise[3] = {1, 1, 1}, none[3] = {0, 0, 0};
    dit__schedule(&dit__process_default, 50, spacing, DIT_SAMPLER_DDPM, 0, DIT__MAX_STEPS, rows, NULL);
    const dit__solver_step step = {.rows = rows,
                                   .index = 9,
                                   .steps = 50,
                                   .sampler = DIT_SAMPLER_DDPM,
                                   .diffusers = dit__timesteps_diffusers(spacing),
                                   .variance = DIT_VARIANCE_LEARNED,
                                   .clip = DIT_CLIP_OFF};
    take(&step, 3, x, eps, v, noise, clean);
    take(&step, 3, plain, eps, v, none, clean);
    for (int k = 0; k < 3; k++) {
      const double wanted = spacing == DIT_SPACING_EVEN ? exp(v[k] / 2.0) : v[k] > 0 ? sqrt((double)v[k]) : 0;
      CHECK(fabs((double)x[k] - (double)plain[k] - wanted) < 1e-6, "spacing %d, v %g: %g, not %g", (int)spacing,
            (double)v[k], (double)(x[k] - plain[k]), wanted);
    }
  }
}

int main(void) {
  char path[512];
  npy_shape shape, noise_shape;
  float *start = npy_f32(npy_golden(path, sizeof path, "sampler/shared__x_start.npy"), &shape);
  float *noise = npy_f32(npy_golden(path, sizeof path, "sampler/shared__noise.npy"), &noise_shape);
  if (CHECK(start && noise && shape.count == NUMBERS && noise_shape.count == 250 * NUMBERS, "sampler/shared__*")) {
    test_trajectories(start, noise);
    test_ddim_is_ddpm(start, noise);
    test_single_step(start);
    test_first_order(start);
  }
  test_learned();
  test_not_finite();
  free(start);
  free(noise);
  return test_end("sampler");
}
