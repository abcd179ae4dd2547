/* Schedules and sampling steps against tables and trajectories made by another program in double (tests/golden).
 * Fails if a timestep differs at all, a number of a schedule by 1e-12 of itself, or a trajectory by a relative L2 error
 * of 1e-5 at any state kept; if a specification that must be refused is taken, or one of the 1000 numbers of steps does
 * not work; if DDIM with eta 1 is not DDPM with the small fixed variance; if noise is read where none is due; or if the
 * caller's rounding mode reaches the numbers. */
#include <fenv.h>
#include <math.h>
#include <stdint.h>

#include "../internal.h"
#include "npy.h"
#include "test.h"

enum { CLASSES = 2, CHANNELS = 4, ROWS = 4, COLUMNS = 5, NUMBERS = CLASSES * CHANNELS * ROWS * COLUMNS };

static dit_schedule_row rows[DIT__TIMESTEPS], more[DIT__TIMESTEPS];

/* ---- schedules ---- */

/* The largest relative error of one column of `rows` against a table whose index 0 is the last step. */
static double compare_table(const char *schedule, const char *table, size_t offset, int32_t steps) {
  char name[128], path[512];
  npy_shape shape;
  snprintf(name, sizeof name, "schedule/%s__%s.npy", schedule, table);
  double *wanted = npy_f64(npy_golden(path, sizeof path, name), &shape), largest = 0;
  if (!CHECK(wanted != NULL, "%s", path)) return 0;
  if (CHECK(shape.count == steps, "%s has %lld numbers, not %d", name, (long long)shape.count, (int)steps)) {
    for (int32_t i = 0; i < steps; i++) {
      double got;
      memcpy(&got, (const char *)&rows[steps - 1 - i] + offset, sizeof got);
      double error = got == wanted[i] ? 0 : fabs(got - wanted[i]) / fabs(wanted[i]);
      CHECK(error <= 1e-12, "%s[%d] is %.17g, not %.17g", name, (int)i, got, wanted[i]);
      if (error > largest) largest = error;
    }
  }
  free(wanted);
  return largest;
}

static void compare_timesteps(const char *schedule, int32_t steps) {
  char name[128], path[512];
  npy_shape shape;
  snprintf(name, sizeof name, "schedule/%s__timestep_map.npy", schedule);
  int64_t *wanted = npy_i64(npy_golden(path, sizeof path, name), &shape);
  if (!CHECK(wanted != NULL && shape.count == steps, "%s", path)) {
    free(wanted);
    return;
  }
  for (int32_t i = 0; i < steps; i++) {
    double got = rows[steps - 1 - i].timestep;
    CHECK(got == (double)wanted[i], "%s[%d] is %g, not %lld", name, (int)i, got, (long long)wanted[i]);
  }
  free(wanted);
}

static double compare_schedule(const char *prefix, int32_t steps, int32_t spacing) {
  static const float eta[3] = {0, 0.5f, 1};
  static const struct {
    const char *name;
    size_t offset;
  } tables[] = {{"betas", offsetof(dit_schedule_row, beta)},
                {"alphas_cumprod", offsetof(dit_schedule_row, alpha_cumprod)},
                {"posterior_variance", offsetof(dit_schedule_row, posterior_variance)},
                {"posterior_mean_coef1", offsetof(dit_schedule_row, posterior_mean_x0)},
                {"posterior_mean_coef2", offsetof(dit_schedule_row, posterior_mean_x)},
                {"posterior_log_variance_clipped", offsetof(dit_schedule_row, posterior_log_variance)}};
  static const char *sigma[3] = {"ddim_sigma_eta0", "ddim_sigma_eta05", "ddim_sigma_eta1"};
  char name[64];
  double largest = 0;
  snprintf(name, sizeof name, "spaced_%s%d", prefix, (int)steps);
  for (int k = 0; k < 3; k++) {
    int32_t count = dit__schedule(steps, spacing, DIT_SAMPLER_DDPM, eta[k], rows, NULL);
    if (!CHECK(count == steps, "%s: %d rows", name, (int)count)) return 0;
    largest = fmax(largest, compare_table(name, sigma[k], offsetof(dit_schedule_row, ddim_sigma), steps));
  }
  compare_timesteps(name, steps);
  for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
    if (steps == 1 && k == 5) continue; /* the official table is empty; ours is tested below */
    largest = fmax(largest, compare_table(name, tables[k].name, tables[k].offset, steps));
  }
  for (int32_t i = 0; i < steps; i++) {
    double before = i + 1 < steps ? rows[i + 1].alpha_cumprod : 1;
    CHECK(rows[i].alpha_cumprod_prev == before, "%s: alpha_cumprod_prev of row %d", name, (int)i);
  }
  return largest;
}

static void test_tables(void) {
  static const int32_t even[] = {1, 2, 3, 10, 20, 50, 100, 250, 1000}, strides[] = {10, 25, 50, 100, 250};
  double largest = 0;
  for (int i = 0; i < 9; i++) largest = fmax(largest, compare_schedule("", even[i], DIT_SPACING_EVEN));
  for (int i = 0; i < 5; i++) largest = fmax(largest, compare_schedule("ddim", strides[i], DIT_SPACING_DDIM));
  printf("  schedules: largest relative error %.2g\n", largest);
}

/* What holds for a schedule of any length. */
static void check_any(int32_t steps, int32_t spacing) {
  int32_t count = dit__schedule(steps, spacing, DIT_SAMPLER_DDIM, 1, rows, NULL), bad = 0;
  if (!CHECK(count == steps, "%d steps, spacing %d: %d rows", (int)steps, (int)spacing, (int)count)) return;
  for (int32_t i = 0; i < steps; i++) {
    const dit_schedule_row *row = &rows[i];
    double after = i + 1 < steps ? rows[i + 1].timestep : -1;
    bad += !(row->timestep > after && row->timestep < 1000 && row->timestep == floor(row->timestep));
    bad += !(row->alpha_cumprod > 0 && row->alpha_cumprod < row->alpha_cumprod_prev && row->alpha_cumprod_prev <= 1);
    bad += !(row->beta > 0 && row->beta < 1 && row->posterior_variance >= 0 && row->posterior_variance <= row->beta);
    bad += !(row->posterior_log_variance <= 0 && row->posterior_log_variance > -50 && row->ddim_sigma >= 0);
    bad += !(row->posterior_mean_x0 > 0 && row->posterior_mean_x >= 0 && row->ddim_sigma < 1);
  }
  CHECK(bad == 0, "%d steps, spacing %d: %d impossible numbers", (int)steps, (int)spacing, (int)bad);
  CHECK(rows[steps - 1].timestep == 0, "%d steps end at %g", (int)steps, rows[steps - 1].timestep);
  CHECK(spacing != DIT_SPACING_EVEN || steps == 1 || rows[0].timestep == 999, "%d even steps start at %g", (int)steps,
        rows[0].timestep);
}

static void test_every_length(void) {
  int32_t strides = 0;
  for (int32_t steps = 1; steps <= 1000; steps++) {
    check_any(steps, DIT_SPACING_EVEN);
    int32_t whole = 0; /* is there a stride? counted, not computed */
    for (int32_t stride = 1; stride < 1000; stride++) {
      int32_t kept = 0;
      for (int32_t t = 0; t < 1000; t += stride) kept++;
      whole |= kept == steps;
    }
    strides += whole;
    int32_t status = dit__schedule(steps, DIT_SPACING_DDIM, DIT_SAMPLER_DDIM, 0, rows, NULL);
    CHECK(status == (whole ? steps : DIT_ERROR_ARGUMENT), "ddim%d: %d", (int)steps, (int)status);
    if (whole) check_any(steps, DIT_SPACING_DDIM);
    CHECK(dit__spacing_choice(steps, 0, DIT_SAMPLER_DDIM) == (whole ? DIT_SPACING_DDIM : DIT_SPACING_EVEN),
          "choice for %d steps of DDIM", (int)steps);
    CHECK(dit__spacing_choice(steps, 0, DIT_SAMPLER_DDPM) == DIT_SPACING_EVEN, "choice for %d of DDPM", (int)steps);
  }
  CHECK(dit__spacing_choice(50, DIT_SPACING_EVEN, DIT_SAMPLER_DDIM) == DIT_SPACING_EVEN, "a choice was overruled");
  printf("  1000 even schedules, %d with a whole stride\n", (int)strides);
}

/* FNV-1a over the timesteps of all schedules of a spacing, upwards, two bytes each, the low one first. */
static uint64_t hash_timesteps(int32_t spacing) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (int32_t steps = 1; steps <= 1000; steps++) {
    if (dit__schedule(steps, spacing, DIT_SAMPLER_DDPM, 0, rows, NULL) < 0) continue;
    for (int32_t i = steps - 1; i >= 0; i--) {
      unsigned timestep = (unsigned)rows[i].timestep;
      hash = (hash ^ (timestep & 255)) * 0x100000001B3u;
      hash = (hash ^ timestep >> 8) * 0x100000001B3u;
    }
  }
  return hash;
}

/* The hashes come from the program that made the golden tables. In more than a third of the schedules the order of
 * additions or the rounding of halves decides over some timestep; 50 and 250, the usual ones, are not among them. */
static void test_every_timestep(void) {
  uint64_t even = hash_timesteps(DIT_SPACING_EVEN), strides = hash_timesteps(DIT_SPACING_DDIM);
  CHECK(even == 0x29dbac1e4b026609u, "timesteps of the even schedules: hash 0x%016llx", (unsigned long long)even);
  CHECK(strides == 0x0c1a2139e59ace0bu, "timesteps of DDIM's schedules: hash 0x%016llx", (unsigned long long)strides);
}

static void refuse(int32_t steps, int32_t spacing, float eta, int32_t wanted, const char *word) {
  dit_error error = {0, ""};
  int32_t status = dit__schedule(steps, spacing, DIT_SAMPLER_DDIM, eta, rows, &error);
  CHECK(status == wanted && error.status == wanted, "steps %d, spacing %d, eta %g: %d", (int)steps, (int)spacing,
        (double)eta, (int)status);
  CHECK(strstr(error.message, word) != NULL, "the message \"%s\" does not say %s", error.message, word);
  CHECK(dit__schedule(steps, spacing, DIT_SAMPLER_DDIM, eta, rows, NULL) == wanted, "without dit_error");
}

static void test_refused(void) {
  refuse(300, DIT_SPACING_DDIM, 0, DIT_ERROR_ARGUMENT, "334"); /* 1000 / 300 is between the strides 3 and 4 */
  refuse(1, DIT_SPACING_DDIM, 0, DIT_ERROR_ARGUMENT, "nearest that works is 2");
  refuse(999, DIT_SPACING_DDIM, 0, DIT_ERROR_ARGUMENT, "1000");
  refuse(1001, DIT_SPACING_EVEN, 0, DIT_ERROR_ARGUMENT, "1001");
  refuse(0, DIT_SPACING_EVEN, 0, DIT_ERROR_ARGUMENT, "steps");
  refuse(INT32_MIN, 0, 0, DIT_ERROR_ARGUMENT, "steps");
  refuse(INT32_MAX, 0, 0, DIT_ERROR_ARGUMENT, "steps");
  refuse(50, DIT_SPACING_LEADING, 0, DIT_ERROR_UNSUPPORTED, "version");
  refuse(50, DIT_SPACING_TRAILING, 0, DIT_ERROR_UNSUPPORTED, "version");
  refuse(50, DIT_SPACING_LINSPACE, 0, DIT_ERROR_UNSUPPORTED, "version");
  refuse(50, 6, 0, DIT_ERROR_ARGUMENT, "spacing");
  refuse(50, -1, 0, DIT_ERROR_ARGUMENT, "spacing");
  refuse(50, 0, -0.5f, DIT_ERROR_ARGUMENT, "eta");
  refuse(50, 0, 1.5f, DIT_ERROR_ARGUMENT, "eta");
  refuse(50, 0, (float)NAN, DIT_ERROR_ARGUMENT, "eta");
}

/* ---- dit_schedule ---- */

/* dit_params of a caller with members this library does not know. */
typedef struct later_params {
  dit_params known;
  int64_t unknown;
} later_params;

static void test_public(void) {
  dit_params params = {.struct_size = sizeof params};
  int32_t count = -7;
  CHECK(dit_schedule(NULL, 0, NULL, &count, NULL) == DIT_OK && count == 250, "NULL: %d rows", (int)count);
  params.steps = 50;
  params.eta = 1;
  memset(more, 0x55, sizeof more);
  CHECK(dit_schedule(&params, 7, more, &count, NULL) == DIT_OK && count == 50, "50 steps: %d", (int)count);
  dit__schedule(50, DIT_SPACING_EVEN, DIT_SAMPLER_DDPM, 1, rows, NULL);
  CHECK(memcmp(rows, more, 7 * sizeof *rows) == 0, "the first seven rows differ");
  for (size_t i = 0; i < sizeof *more; i++) CHECK(((unsigned char *)&more[7])[i] == 0x55, "row 7 was written");
  params.sampler = DIT_SAMPLER_DDIM;
  CHECK(dit_schedule(&params, 1000, more, &count, NULL) == DIT_OK && more[0].timestep == 980, "DDIM's spacing");

  dit_error error = {0, ""};
  count = -7;
  CHECK(dit_schedule(&params, 1, more, NULL, &error) == DIT_ERROR_ARGUMENT, "count NULL");
  CHECK(dit_schedule(&params, 1, NULL, &count, &error) == DIT_ERROR_ARGUMENT, "rows NULL");
  CHECK(dit_schedule(&params, -1, more, &count, &error) == DIT_ERROR_ARGUMENT, "capacity -1");
  params.sampler = 3;
  CHECK(dit_schedule(&params, 1, more, &count, &error) == DIT_ERROR_ARGUMENT, "sampler 3");
  params.sampler = 0;
  params.spacing = DIT_SPACING_TRAILING;
  CHECK(dit_schedule(&params, 1, more, &count, &error) == DIT_ERROR_UNSUPPORTED, "trailing");
  params.struct_size = 0;
  CHECK(dit_schedule(&params, 1, more, &count, &error) == DIT_ERROR_ARGUMENT, "struct_size 0");
  CHECK(strstr(error.message, "struct_size") != NULL && count == -7, "message \"%s\", count %d", error.message,
        (int)count);

  /* An older caller's struct ends before `steps`; a newer one's must be zero behind ours. */
  dit_params old = {.struct_size = offsetof(dit_params, steps), .steps = 10};
  CHECK(dit_schedule(&old, 0, NULL, &count, NULL) == DIT_OK && count == 250, "an older struct: %d rows", (int)count);
  later_params later;
  memset(&later, 0, sizeof later);
  later.known.struct_size = sizeof later;
  later.known.steps = 10;
  CHECK(dit_schedule(&later.known, 0, NULL, &count, NULL) == DIT_OK && count == 10, "a newer struct: %d", (int)count);
  later.unknown = 1;
  CHECK(dit_schedule(&later.known, 0, NULL, &count, NULL) == DIT_ERROR_UNSUPPORTED, "an unknown member is set");
}

/* A caller that rounds upwards gets the same numbers, and his rounding back. */
static void test_rounding(void) {
  dit_params params = {.struct_size = sizeof params, .steps = 250, .eta = 0.3f};
  int32_t count;
  dit__schedule(250, DIT_SPACING_EVEN, DIT_SAMPLER_DDPM, 0.3f, rows, NULL);
  if (fesetround(FE_UPWARD)) {
    SKIP("this machine does not round upwards");
    return;
  }
  dit_status status = dit_schedule(&params, 1000, more, &count, NULL);
  int mode = fegetround();
  fesetround(FE_TONEAREST);
  CHECK(status == DIT_OK && memcmp(rows, more, 250 * sizeof *rows) == 0, "the caller's rounding reached the schedule");
  CHECK(mode == FE_UPWARD, "dit_schedule left rounding mode %d", mode);
}

/* ---- trajectories ---- */

typedef struct trajectory {
  const char *name;
  int32_t steps, spacing, sampler, variance, clip;
  float eta;
  double guidance; /* 0: none, not even a second pass */
  int guided;      /* leading channels */
  int32_t after[8];
} trajectory;

/* The stand-in for the network: eps and v of element i, j of channel c, for label y at timestep t. */
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

/* Runs all steps; the largest relative error at the states that `wanted` holds (NULL: none), the last state in x. */
static double run_trajectory(const trajectory *run, const float *noise, const double *wanted, float *x) {
  float eps[NUMBERS], v[NUMBERS];
  double largest = 0;
  int state = 1; /* 0 is the start */
  int32_t steps = dit__schedule(run->steps, run->spacing, run->sampler, run->eta, rows, NULL);
  CHECK(steps == run->steps, "%s: %d steps", run->name, (int)steps);
  for (int32_t k = 0; k < steps; k++) {
    int32_t last = k + 1 == steps, noisy = dit__sampler_needs_noise(&rows[k], last, run->sampler);
    int32_t expected = !last && (run->sampler == DIT_SAMPLER_DDPM || run->eta > 0);
    CHECK(noisy == expected, "%s: step %d says it %s noise", run->name, (int)k, noisy ? "needs" : "needs no");
    mock_pass(run, rows[k].timestep, x, eps, v);
    dit__sampler_step(&rows[k], last, run->sampler, run->variance, run->clip, NUMBERS, x, eps,
                      run->variance == DIT_VARIANCE_LEARNED ? v : NULL, noisy ? noise + k * NUMBERS : NULL);
    if (wanted && k + 1 == run->after[state]) {
      double error = relative_l2(x, wanted + state * NUMBERS);
      CHECK(error <= 1e-5, "%s: relative error %.3g after %d steps", run->name, error, (int)k + 1);
      if (!(error <= largest)) largest = error;
      state++;
    }
  }
  CHECK(!wanted || run->after[state - 1] == steps, "%s: %d states compared", run->name, state);
  return largest;
}

#define AFTER_2 \
  { 0, 1, 2 }
#define AFTER_25 \
  { 0, 1, 2, 6, 12, 23, 24, 25 }
#define AFTER_50 \
  { 0, 1, 2, 12, 25, 48, 49, 50 }
#define AFTER_250 \
  { 0, 1, 2, 62, 125, 248, 249, 250 }

static const trajectory runs[] = {
    {"ddpm_50_learned", 50, 1, 1, 1, 1, 0, 0, 0, AFTER_50},
    {"ddpm_50_learned_clip", 50, 1, 1, 1, 2, 0, 0, 0, AFTER_50},
    {"ddpm_250_learned", 250, 1, 1, 1, 1, 0, 0, 0, AFTER_250},
    {"ddpm_50_fixed_large", 50, 1, 1, 2, 1, 0, 0, 0, AFTER_50},
    {"ddpm_50_fixed_small", 50, 1, 1, 3, 1, 0, 0, 0, AFTER_50},
    {"ddpm_ddim50_learned", 50, 2, 1, 1, 1, 0, 0, 0, AFTER_50},
    {"ddpm_2_learned", 2, 1, 1, 1, 1, 0, 0, 0, AFTER_2},
    {"ddim_ddim25_eta0", 25, 2, 2, 1, 1, 0, 0, 0, AFTER_25},
    {"ddim_ddim25_eta05", 25, 2, 2, 1, 1, 0.5f, 0, 0, AFTER_25},
    {"ddim_ddim25_eta1", 25, 2, 2, 1, 1, 1, 0, 0, AFTER_25},
    {"ddim_ddim50_eta0", 50, 2, 2, 1, 1, 0, 0, 0, AFTER_50},
    {"ddim_ddim50_eta05", 50, 2, 2, 1, 1, 0.5f, 0, 0, AFTER_50},
    {"ddim_ddim50_eta1", 50, 2, 2, 1, 1, 1, 0, 0, AFTER_50},
    {"ddim_ddim50_eta0_clip", 50, 2, 2, 1, 2, 0, 0, 0, AFTER_50},
    {"ddim_ddim50_eta1_clip", 50, 2, 2, 3, 2, 1, 0, 0, AFTER_50},
    {"ddim_50_eta0", 50, 1, 2, 1, 1, 0, 0, 0, AFTER_50},
    {"ddpm_50_cfg1_3ch", 50, 1, 1, 1, 1, 0, 1, 3, AFTER_50},
    {"ddpm_50_cfg15_3ch", 50, 1, 1, 1, 1, 0, 1.5, 3, AFTER_50},
    {"ddpm_50_cfg4_3ch", 50, 1, 1, 1, 1, 0, 4, 3, AFTER_50},
    {"ddpm_50_cfg15_all", 50, 1, 1, 1, 1, 0, 1.5, 4, AFTER_50},
    {"ddpm_50_cfg4_all", 50, 1, 1, 1, 1, 0, 4, 4, AFTER_50},
    {"ddim_ddim50_eta0_cfg4_all", 50, 2, 2, 1, 1, 0, 4, 4, AFTER_50},
};

static void test_trajectories(const float *start, const float *noise) {
  double largest = 0;
  const char *where = "";
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
    char name[128], path[512];
    npy_shape shape;
    snprintf(name, sizeof name, "sampler/%s__states.npy", runs[i].name);
    double *wanted = npy_f64(npy_golden(path, sizeof path, name), &shape);
    int states = runs[i].steps == 2 ? 3 : 8;
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

/* DDIM with eta 1 is DDPM with the small fixed variance (Song et al. 2020), here on the same noise. */
static void test_ddim_is_ddpm(const float *start, const float *noise) {
  for (int32_t clip = DIT_CLIP_OFF; clip <= DIT_CLIP_ON; clip++) {
    trajectory ddpm = {"DDPM", 50, 1, 1, DIT_VARIANCE_FIXED_SMALL, clip, 0, 0, 0, AFTER_50}, ddim = ddpm;
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

/* ---- single steps ---- */

/* One step is a process of its own: x0 is the answer, whatever the sampler and variance. */
static void test_single_step(const float *start) {
  for (int32_t sampler = 1; sampler <= 2; sampler++) {
    for (int32_t variance = 1; variance <= 3; variance++) {
      float x[NUMBERS], eps[NUMBERS], v[NUMBERS];
      int32_t count = dit__schedule(1, 0, sampler, 1, rows, NULL);
      CHECK(count == 1 && rows[0].timestep == 0 && rows[0].posterior_log_variance == 0, "one step: %d", (int)count);
      CHECK(rows[0].ddim_sigma == 0 && !dit__sampler_needs_noise(rows, 1, sampler), "the only step has noise");
      for (int k = 0; k < NUMBERS; k++) x[k] = start[k], eps[k] = start[NUMBERS - 1 - k], v[k] = 0;
      dit__sampler_step(rows, 1, sampler, variance, DIT_CLIP_OFF, NUMBERS, x, eps, v, NULL);
      for (int k = 0; k < NUMBERS; k++) {
        double wanted = (start[k] - sqrt(0.0001) * eps[k]) / sqrt(0.9999);
        CHECK(fabs(x[k] - wanted) < 1e-6, "sampler %d: %g, not %g", (int)sampler, (double)x[k], wanted);
      }
    }
  }
}

/* Numbers that are none, and too large ones, pass through; their neighbours are not touched. */
static void test_not_finite(void) {
  float bad[5] = {(float)NAN, (float)INFINITY, -(float)INFINITY, 3e38f, 0.25f};
  dit__schedule(50, DIT_SPACING_EVEN, DIT_SAMPLER_DDPM, 1, rows, NULL);
  for (int32_t sampler = 1; sampler <= 2; sampler++) {
    for (int32_t clip = 1; clip <= 2; clip++) {
      for (int which = 0; which < 4; which++) { /* which of the inputs is bad */
        float in[4][5], clean[4][5];
        for (int k = 0; k < 20; k++)
          in[k / 5][k % 5] = k / 5 == which ? bad[k % 5] : 0.25f, clean[k / 5][k % 5] = 0.25f;
        dit__sampler_step(&rows[20], 0, sampler, DIT_VARIANCE_LEARNED, clip, 5, in[0], in[1], in[2], in[3]);
        dit__sampler_step(&rows[20], 0, sampler, DIT_VARIANCE_LEARNED, clip, 5, clean[0], clean[1], clean[2], clean[3]);
        CHECK(in[0][4] == clean[0][4], "input %d: a neighbour became %g", which, (double)in[0][4]);
        int ignored = which == 2 && sampler == DIT_SAMPLER_DDIM; /* DDIM has no use for v */
        CHECK(ignored || in[0][0] != in[0][0], "input %d: NaN became %g", which, (double)in[0][0]);
      }
    }
  }
}

int main(void) {
  char path[512];
  npy_shape shape, noise_shape;
  test_tables();
  test_every_length();
  test_every_timestep();
  test_refused();
  test_public();
  test_rounding();
  float *start = npy_f32(npy_golden(path, sizeof path, "sampler/shared__x_start.npy"), &shape);
  float *noise = npy_f32(npy_golden(path, sizeof path, "sampler/shared__noise.npy"), &noise_shape);
  if (CHECK(start && noise && shape.count == NUMBERS && noise_shape.count == 250 * NUMBERS, "sampler/shared__*")) {
    test_trajectories(start, noise);
    test_ddim_is_ddpm(start, noise);
    test_single_step(start);
  }
  test_not_finite();
  free(start);
  free(noise);
  return test_end("schedule");
}
