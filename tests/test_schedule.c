/* Schedules, compared with tables that another program made in double (tests/golden).
 *
 * The test fails if a timestep differs, or a coefficient by more than a relative 1e-12; if a request that must be
 * refused is accepted, or one of 1 to 1000 steps does not work; or if the caller's rounding mode changes the numbers.
 */
#include <fenv.h>
#include <math.h>
#include <stdint.h>

#include "lib/sampling/schedule.h"
#include "lib/sampling/timesteps.h"
#include "tests/npy.h"
#include "tests/test.h"

enum { CLASSES = 2, CHANNELS = 4, ROWS = 4, COLUMNS = 5, NUMBERS = CLASSES * CHANNELS * ROWS * COLUMNS };

static dit_schedule_row rows[DIT__MAX_STEPS], more[DIT__MAX_STEPS];

/* ---- Schedules ---- */

/* The largest relative error of one column of `rows`, compared with a table whose index 0 is the last step. */
static double compare_table(const char *schedule, const char *table, size_t offset, int32_t steps) {
  char name[128], path[512];
  npy_shape shape = {0};
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

static double compare_schedule(const dit__process *process, const char *prefix, int32_t steps, const char *suffix) {
  const int32_t spacing = *prefix ? DIT_SPACING_DDIM : DIT_SPACING_EVEN;
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
  snprintf(name, sizeof name, "spaced_%s%d%s", prefix, (int)steps, suffix);
  for (int k = 0; k < 3; k++) {
    int32_t count = dit__schedule(process, steps, spacing, DIT_SAMPLER_DDPM, eta[k], DIT__MAX_STEPS, rows, NULL);
    if (!CHECK(count == steps, "%s: %d rows", name, (int)count)) return 0;
    largest = fmax(largest, compare_table(name, sigma[k], offsetof(dit_schedule_row, ddim_sigma), steps));
  }
  compare_timesteps(name, steps);
  for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
    if (steps == 1 && k == 5) continue; /* the official table is empty */
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
  const dit__process short_one = {/* as the official rule scales them */
                                  .timesteps = 300,
                                  .beta_start = 0.0001 * 1000 / 300,
                                  .beta_end = 0.02 * 1000 / 300,
                                  .set_alpha_to_one = 1};
  for (int i = 0; i < 9; i++) largest = fmax(largest, compare_schedule(&dit__process_default, "", even[i], ""));
  for (int i = 0; i < 5; i++) largest = fmax(largest, compare_schedule(&dit__process_default, "ddim", strides[i], ""));
  largest = fmax(largest, compare_schedule(&short_one, "ddim", 30, "_of_300"));
  printf("  schedules: largest relative error %.2g\n", largest);
}

/* Checks what holds for a schedule of any length. */
static void check_any(int32_t steps, int32_t spacing) {
  int32_t count = dit__schedule(&dit__process_default, steps, spacing, DIT_SAMPLER_DDIM, 1, DIT__MAX_STEPS, rows, NULL),
          bad = 0;
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
    int32_t whole = 0; /* whether a stride exists, found by counting */
    for (int32_t stride = 1; stride < 1000; stride++) {
      int32_t kept = 0;
      for (int32_t t = 0; t < 1000; t += stride) kept++;
      whole |= kept == steps;
    }
    strides += whole;
    int32_t status =
        dit__schedule(&dit__process_default, steps, DIT_SPACING_DDIM, DIT_SAMPLER_DDIM, 0, DIT__MAX_STEPS, rows, NULL);
    CHECK(status == (whole ? steps : DIT_ERROR_ARGUMENT), "ddim%d: %d", (int)steps, (int)status);
    if (whole) check_any(steps, DIT_SPACING_DDIM);
    CHECK(dit__timesteps_default(&dit__process_default, steps, 0, DIT_SAMPLER_DDIM) ==
              (whole ? DIT_SPACING_DDIM : DIT_SPACING_EVEN),
          "choice for %d steps of DDIM", (int)steps);
    CHECK(dit__timesteps_default(&dit__process_default, steps, 0, DIT_SAMPLER_DDPM) == DIT_SPACING_EVEN,
          "choice for %d of DDPM", (int)steps);
  }
  CHECK(dit__timesteps_default(&dit__process_default, 50, DIT_SPACING_EVEN, DIT_SAMPLER_DDIM) == DIT_SPACING_EVEN,
        "a choice was overruled");
  printf("  1000 even schedules, %d with an integer stride\n", (int)strides);
}

/* FNV-1a over the timesteps of all schedules of a spacing, in ascending order, two bytes each, the low one first. */
static uint64_t hash_timesteps(int32_t spacing, int32_t sampler) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (int32_t steps = 1; steps <= 1000; steps++) {
    if (dit__schedule(&dit__process_default, steps, spacing, sampler, 0, DIT__MAX_STEPS, rows, NULL) < 0) continue;
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
  static const struct {
    int32_t spacing, sampler;
    uint64_t hash;
  } all[] = {
      {DIT_SPACING_EVEN, DIT_SAMPLER_DDPM, 0x29dbac1e4b026609u},
      {DIT_SPACING_DDIM, DIT_SAMPLER_DDPM, 0x0c1a2139e59ace0bu},
      {DIT_SPACING_LEADING, DIT_SAMPLER_DDIM, 0x8ac58606646f8453u},
      {DIT_SPACING_TRAILING, DIT_SAMPLER_DDPM, 0x7082efc4e98d6ab0u},
      {DIT_SPACING_LINSPACE, DIT_SAMPLER_DDPM, 0x3f9b9e65b7ce7e14u},
      {DIT_SPACING_TRAILING, DIT_SAMPLER_DPMPP, 0x7082efc4e98d6ab0u},
      {DIT_SPACING_LEADING, DIT_SAMPLER_DPMPP, 0x131eed2b5d2d3453u},
      {DIT_SPACING_LINSPACE, DIT_SAMPLER_DPMPP, 0x4fc28b34d82ef804u},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    const uint64_t hash = hash_timesteps(all[i].spacing, all[i].sampler);
    CHECK(hash == all[i].hash, "timesteps of spacing %d, sampler %d: hash 0x%016llx", (int)all[i].spacing,
          (int)all[i].sampler, (unsigned long long)hash);
  }
}

static void compare_list(const char *name, int32_t steps, int32_t spacing, int32_t offset) {
  char file[128], path[512];
  npy_shape shape = {0};
  dit__process process = dit__process_default;
  process.offset = offset;
  snprintf(file, sizeof file, "schedule/timesteps_%s_%d_offset%d__timesteps.npy", name, (int)steps, (int)offset);
  int64_t *wanted = npy_i64(npy_golden(path, sizeof path, file), &shape);
  if (CHECK(wanted != NULL && shape.count == steps, "%s", path))
    for (int32_t sampler = DIT_SAMPLER_DDPM; sampler <= DIT_SAMPLER_DDIM; sampler++) {
      const int32_t count = dit__schedule(&process, steps, spacing, sampler, 0, DIT__MAX_STEPS, rows, NULL);
      int32_t bad = count != steps;
      for (int32_t k = 0; k < steps && !bad; k++) bad += rows[k].timestep != (double)wanted[k];
      CHECK(!bad, "%s differs with sampler %d", file, (int)sampler);
    }
  free(wanted);
}

/* The lists of diffusers' schedulers, with and without an offset. */
static void test_lists_of_diffusers(void) {
  static const int32_t steps[] = {10, 20, 50, 250};
  for (int i = 0; i < 4; i++) {
    compare_list("leading", steps[i], DIT_SPACING_LEADING, 0);
    compare_list("leading", steps[i], DIT_SPACING_LEADING, 1);
    compare_list("trailing", steps[i], DIT_SPACING_TRAILING, 0);
    compare_list("linspace", steps[i], DIT_SPACING_LINSPACE, 0);
  }
  compare_list("trailing", 48, DIT_SPACING_TRAILING, 0);
  compare_list("linspace", 1, DIT_SPACING_LINSPACE, 0);
}

static void refuse(int32_t steps, int32_t spacing, float eta, int32_t wanted, const char *word) {
  dit_error error = {0, ""};
  int32_t status =
      dit__schedule(&dit__process_default, steps, spacing, DIT_SAMPLER_DDIM, eta, DIT__MAX_STEPS, rows, &error);
  CHECK(status == wanted && error.status == wanted, "steps %d, spacing %d, eta %g: %d", (int)steps, (int)spacing,
        (double)eta, (int)status);
  CHECK(strstr(error.message, word) != NULL, "the message \"%s\" does not say %s", error.message, word);
  CHECK(
      dit__schedule(&dit__process_default, steps, spacing, DIT_SAMPLER_DDIM, eta, DIT__MAX_STEPS, rows, NULL) == wanted,
      "without dit_error");
}

static void test_refused(void) {
  refuse(300, DIT_SPACING_DDIM, 0, DIT_ERROR_ARGUMENT, "334"); /* 1000 / 300 is between the strides 3 and 4 */
  refuse(1, DIT_SPACING_DDIM, 0, DIT_ERROR_ARGUMENT, "nearest number that works is 2");
  refuse(999, DIT_SPACING_DDIM, 0, DIT_ERROR_ARGUMENT, "1000");
  refuse(1001, DIT_SPACING_EVEN, 0, DIT_ERROR_ARGUMENT, "1001");
  refuse(0, DIT_SPACING_EVEN, 0, DIT_ERROR_ARGUMENT, "steps");
  refuse(INT32_MIN, 0, 0, DIT_ERROR_ARGUMENT, "steps");
  refuse(INT32_MAX, 0, 0, DIT_ERROR_ARGUMENT, "steps");
  refuse(50, 99, 0, DIT_ERROR_ARGUMENT, "spacing");
  refuse(50, -1, 0, DIT_ERROR_ARGUMENT, "spacing");
  refuse(50, 0, -0.5f, DIT_ERROR_ARGUMENT, "eta");
  refuse(50, 0, 1.5f, DIT_ERROR_ARGUMENT, "eta");
  refuse(50, 0, (float)NAN, DIT_ERROR_ARGUMENT, "eta");
  dit_error error = {0, ""};
  dit__process process = dit__process_default;
  process.offset = 1;
  CHECK(
      dit__schedule(&process, 1000, DIT_SPACING_LEADING, DIT_SAMPLER_DDIM, 0, 0, NULL, &error) == DIT_ERROR_ARGUMENT &&
          strstr(error.message, "timestep 1000"),
      "an offset beyond the end: %s", error.message);
  CHECK(dit__schedule(&process, 999, DIT_SPACING_LEADING, DIT_SAMPLER_DDIM, 0, 0, NULL, NULL) == 999,
        "999 with offset 1");
  static const int32_t sections[] = {DIT_SPACING_LEADING, DIT_SPACING_LINSPACE};
  for (int i = 0; i < 2; i++)
    CHECK(dit__schedule(&dit__process_default, 1000, sections[i], DIT_SAMPLER_DPMPP, 0, 0, NULL, &error) ==
                  DIT_ERROR_ARGUMENT &&
              strstr(error.message, "999"),
          "DPM-Solver++ with 1000 steps: %s", error.message);
  process.timesteps = 40;
  CHECK(dit__schedule(&process, 41, 0, DIT_SAMPLER_DDIM, 0, 0, NULL, &error) == DIT_ERROR_ARGUMENT &&
            strstr(error.message, "1 to 40"),
        "41 of 40 timesteps: %s", error.message);
}

/* ---- dit_schedule ---- */

/* dit_params of a caller whose version has members that this library lacks. */
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
  dit__schedule(&dit__process_default, 50, DIT_SPACING_EVEN, DIT_SAMPLER_DDPM, 1, DIT__MAX_STEPS, rows, NULL);
  CHECK(memcmp(rows, more, 7 * sizeof *rows) == 0, "the first seven rows differ");
  for (size_t i = 0; i < sizeof *more; i++) CHECK(((unsigned char *)&more[7])[i] == 0x55, "row 7 was written");
  params.sampler = DIT_SAMPLER_DDIM;
  CHECK(dit_schedule(&params, 1000, more, &count, NULL) == DIT_OK && more[0].timestep == 980, "DDIM's spacing");

  dit_error error = {0, ""};
  count = -7;
  CHECK(dit_schedule(&params, 1, more, NULL, &error) == DIT_ERROR_ARGUMENT, "count NULL");
  CHECK(dit_schedule(&params, 1, NULL, &count, &error) == DIT_ERROR_ARGUMENT, "rows NULL");
  CHECK(dit_schedule(&params, -1, more, &count, &error) == DIT_ERROR_ARGUMENT, "capacity -1");
  params.sampler = 99;
  CHECK(dit_schedule(&params, 1, more, &count, &error) == DIT_ERROR_ARGUMENT && strstr(error.message, "2 (ddim)"),
        "sampler 99: %s", error.message);
  params.sampler = 0;
  params.struct_size = 0;
  CHECK(dit_schedule(&params, 1, more, &count, &error) == DIT_ERROR_ARGUMENT, "struct_size 0");
  CHECK(strstr(error.message, "struct_size") != NULL && count == -7, "message \"%s\", count %d", error.message,
        (int)count);

  /* An older caller's struct ends before `steps`; a newer caller's must be zero behind the end of ours. */
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

/* A caller that rounds upwards gets the same numbers, and keeps its rounding mode. */
static void test_rounding(void) {
  dit_params params = {.struct_size = sizeof params, .steps = 250, .eta = 0.3f};
  int32_t count;
  dit__schedule(&dit__process_default, 250, DIT_SPACING_EVEN, DIT_SAMPLER_DDPM, 0.3f, DIT__MAX_STEPS, rows, NULL);
  if (fesetround(FE_UPWARD)) {
    SKIP("this machine does not round upwards");
    return;
  }
  dit_status status = dit_schedule(&params, 1000, more, &count, NULL);
  int mode = fegetround();
  fesetround(FE_TONEAREST);
  CHECK(status == DIT_OK && memcmp(rows, more, 250 * sizeof *rows) == 0,
        "the caller's rounding mode changed the schedule");
  CHECK(mode == FE_UPWARD, "dit_schedule left rounding mode %d", mode);
}

int main(void) {
  test_tables();
  test_every_length();
  test_every_timestep();
  test_lists_of_diffusers();
  test_refused();
  test_public();
  test_rounding();
  return test_end("schedule");
}
