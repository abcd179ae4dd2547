/* Which timesteps are taken, the numbers that belong to them, and one step of DDPM or DDIM.
 *
 * All in double, each operation rounded, in the order of the parentheses (products and sums without any run from left
 * to right), log and exp those of math.c, sqrt IEEE's. Only the result of a step is rounded to float, once per number.
 *
 * Process  1000 timesteps; beta(t) = 0.0001 + t * step, step = (0.02 - 0.0001) / 999, but beta(999) = 0.02;
 *          full(t) = full(t - 1) * (1 - beta(t)), full(-1) = 1.
 * Spacing  EVEN keeps round(p) for p = 0, stride, stride + stride, .. (added up), halves going to the even neighbour;
 *          stride = 999 / (steps - 1), or 1 for a single step. DDIM keeps 0, s, 2 s, .. with the smallest s in 1..999
 *          for which these are exactly `steps`.
 * Rows     i counts the kept timesteps t(i) upwards; the sampler takes them downwards, so row k has i = steps - 1 - k.
 *          beta = 1 - full(t(i)) / full(t(i-1)), with 1 instead of full(t(-1));
 *          a(i) = a(i-1) * (1 - beta), a(-1) = 1 (alpha_cumprod); b = a(i-1) (alpha_cumprod_prev); rest = 1 - a
 *          posterior_variance     = beta * (1 - b) / rest
 *          posterior_log_variance = log(posterior_variance), at i = 0 that of i = 1, or 0 if there is no other
 *          posterior_mean_x0      = beta * sqrt(b) / rest
 *          posterior_mean_x       = (1 - b) * sqrt(1 - beta) / rest
 *          ddim_sigma             = eta * sqrt((1 - b) / rest) * sqrt(1 - a / b)
 * Step     x0 = sqrt(1 / a) * x - sqrt(1 / a - 1) * eps, with clip cut to [-1, 1]
 * DDPM     mean = posterior_mean_x0 * x0 + posterior_mean_x * x
 *          l = log(beta) if the variance is fixed large, posterior_log_variance if it is fixed small; learned:
 *          l = g * log(beta) + (1 - g) * posterior_log_variance with g = (v + 1) / 2
 *          result float(mean + exp(0.5 * l) * noise), at the last step float(mean)
 * DDIM     e = (sqrt(1 / a) * x - x0) / sqrt(1 / a - 1)
 *          mean = sqrt(b) * x0 + sqrt(left) * e with left = 1 - b - sigma * sigma, or 0 if that is negative
 *          result float(mean + sigma * noise), at the last step and for sigma 0 float(mean) */
#include "numerics.h"

#include <math.h>

#include "internal.h"

typedef struct schedule_tables {
  int32_t steps;
  int32_t kept[DIT__TIMESTEPS]; /* upwards */
  double beta[DIT__TIMESTEPS];  /* of the respaced process */
  double product[DIT__TIMESTEPS];
} schedule_tables;

/* The smallest whole stride that keeps `steps` timesteps; 0: none. */
static int32_t schedule_stride(int32_t steps) {
  for (int32_t stride = 1; stride < DIT__TIMESTEPS; stride++) {
    if ((DIT__TIMESTEPS + stride - 1) / stride == steps) return stride;
  }
  return 0;
}

/* The number of steps nearest to `steps` that a whole stride keeps, for the message; 2 and 1000 are among them. */
static int32_t schedule_nearest(int32_t steps) {
  int32_t away = 1;
  while (!schedule_stride(steps - away) && !schedule_stride(steps + away)) away++;
  return schedule_stride(steps - away) ? steps - away : steps + away;
}

static int32_t schedule_round_half_even(double x) {
  int32_t below = (int32_t)x; /* x >= 0 */
  double rest = x - below;
  return below + (rest > 0.5 || (rest == 0.5 && below % 2 != 0));
}

static dit_status schedule_check(int32_t steps, int32_t spacing, float eta, dit_error *error) {
  if (steps < 1 || steps > DIT__TIMESTEPS) {
    return dit__fail(error, DIT_ERROR_ARGUMENT, "steps %d: must be 1 to %d", (int)steps, DIT__TIMESTEPS);
  }
  if (!(eta >= 0 && eta <= 1)) {
    return dit__fail(error, DIT_ERROR_ARGUMENT, "eta %g: must be 0 (no noise) to 1 (as much as DDPM)", (double)eta);
  }
  if (spacing < 0 || spacing > DIT_SPACING_LINSPACE) {
    return dit__fail(error, DIT_ERROR_ARGUMENT, "spacing %d: there is none of this number; take 0 or a DIT_SPACING_*",
                     (int)spacing);
  }
  if (spacing > DIT_SPACING_DDIM) {
    return dit__fail(
        error, DIT_ERROR_UNSUPPORTED,
        "spacing %d: diffusers' spacings are not in this version; take DIT_SPACING_EVEN or DIT_SPACING_DDIM",
        (int)spacing);
  }
  if (spacing == DIT_SPACING_DDIM && !schedule_stride(steps)) {
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "steps %d: no whole stride keeps %d of %d timesteps; the nearest that works is %d, or take "
                     "DIT_SPACING_EVEN",
                     (int)steps, (int)steps, DIT__TIMESTEPS, (int)schedule_nearest(steps));
  }
  return DIT_OK;
}

static void schedule_keep(int32_t steps, int32_t spacing, int32_t *kept) {
  if (spacing == DIT_SPACING_DDIM) {
    int32_t stride = schedule_stride(steps);
    for (int32_t i = 0; i < steps; i++) kept[i] = i * stride;
    return;
  }
  double stride = steps > 1 ? (DIT__TIMESTEPS - 1) / (double)(steps - 1) : 1, position = 0;
  for (int32_t i = 0; i < steps; i++) {
    kept[i] = schedule_round_half_even(position);
    position += stride;
  }
}

static void schedule_build(int32_t steps, int32_t spacing, schedule_tables *tables) {
  const double first = 0.0001, last = 0.02, step = (last - first) / (DIT__TIMESTEPS - 1);
  double full = 1, before = 1, product = 1;
  int32_t i = 0;
  tables->steps = steps;
  schedule_keep(steps, spacing, tables->kept);
  for (int32_t t = 0; t < DIT__TIMESTEPS && i < steps; t++) {
    full *= 1 - (t == DIT__TIMESTEPS - 1 ? last : first + t * step);
    if (t != tables->kept[i]) continue;
    tables->beta[i] = 1 - full / before;
    before = full;
    product *= 1 - tables->beta[i];
    tables->product[i++] = product;
  }
}

static double schedule_posterior_variance(const schedule_tables *tables, int32_t i) {
  double before = i > 0 ? tables->product[i - 1] : 1;
  return tables->beta[i] * (1 - before) / (1 - tables->product[i]);
}

static void schedule_row(const schedule_tables *tables, int32_t i, float eta, dit_schedule_row *row) {
  double a = tables->product[i], b = i > 0 ? tables->product[i - 1] : 1, beta = tables->beta[i], rest = 1 - a;
  row->timestep = tables->kept[i];
  row->alpha_cumprod = a;
  row->alpha_cumprod_prev = b;
  row->beta = beta;
  row->posterior_variance = schedule_posterior_variance(tables, i);
  row->posterior_log_variance = tables->steps > 1 ? dit__log(schedule_posterior_variance(tables, i > 0 ? i : 1)) : 0;
  row->posterior_mean_x0 = beta * sqrt(b) / rest;
  row->posterior_mean_x = (1 - b) * sqrt(1 - beta) / rest;
  row->ddim_sigma = eta * sqrt((1 - b) / rest) * sqrt(1 - a / b);
}

int32_t dit__spacing_choice(int32_t steps, int32_t spacing, int32_t sampler) {
  if (spacing) return spacing;
  return sampler == DIT_SAMPLER_DDIM && schedule_stride(steps) ? DIT_SPACING_DDIM : DIT_SPACING_EVEN;
}

/* The first `capacity` rows of a schedule; the number of all of them. */
static int32_t schedule_rows(int32_t steps, int32_t spacing, int32_t sampler, float eta, int32_t capacity,
                             dit_schedule_row *rows, dit_error *error) {
  schedule_tables tables;
  dit_status status = schedule_check(steps, spacing, eta, error);
  if (status) return status;
  schedule_build(steps, dit__spacing_choice(steps, spacing, sampler), &tables);
  for (int32_t k = 0; k < steps && k < capacity; k++) schedule_row(&tables, steps - 1 - k, eta, &rows[k]);
  return steps;
}

int32_t dit__schedule(int32_t steps, int32_t spacing, int32_t sampler, float eta, dit_schedule_row *rows,
                      dit_error *error) {
  return schedule_rows(steps, spacing, sampler, eta, rows ? DIT__TIMESTEPS : 0, rows, error);
}

dit_status dit_schedule(const dit_params *params, int32_t capacity, dit_schedule_row *rows, int32_t *count,
                        dit_error *error) {
  dit_params ours;
  if (!count) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_schedule: count is NULL");
  if (capacity < 0 || (capacity > 0 && !rows)) {
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "dit_schedule: capacity %d with rows %s; give room for that many rows, or 0", (int)capacity,
                     rows ? "given" : "NULL");
  }
  dit_status status = dit__struct_read(&ours, sizeof ours, params, "dit_params", error);
  if (status) return status;
  if (ours.sampler < 0 || ours.sampler > DIT_SAMPLER_DDIM) {
    return dit__fail(error, DIT_ERROR_ARGUMENT, "sampler %d: there is none of this number; take 0 or a DIT_SAMPLER_*",
                     (int)ours.sampler);
  }
  dit__environment saved;
  dit__environment_enter(&saved);
  int32_t steps = ours.steps ? ours.steps : 250;
  steps = schedule_rows(steps, ours.spacing, ours.sampler, ours.eta, capacity, rows, error);
  dit__environment_leave(&saved);
  if (steps < 0) return steps;
  *count = steps;
  return DIT_OK;
}

static double schedule_clip(double x) { return x > 1 ? 1 : x < -1 ? -1 : x; } /* NaN stays NaN */

static void schedule_ddpm(const dit_schedule_row *row, int32_t last, int32_t variance, int32_t clip, int64_t n,
                          float *x, const float *eps, const float *v, const float *noise) {
  double to_x0 = sqrt(1 / row->alpha_cumprod), to_eps = sqrt(1 / row->alpha_cumprod - 1);
  double large = dit__log(row->beta), small = row->posterior_log_variance;
  double deviation = dit__exp(0.5 * (variance == DIT_VARIANCE_FIXED_LARGE ? large : small));
  for (int64_t i = 0; i < n; i++) {
    double x0 = to_x0 * x[i] - to_eps * eps[i];
    if (clip == DIT_CLIP_ON) x0 = schedule_clip(x0);
    double mean = row->posterior_mean_x0 * x0 + row->posterior_mean_x * x[i];
    if (!last) {
      if (variance == DIT_VARIANCE_LEARNED) {
        double fraction = (v[i] + 1.0) / 2;
        deviation = dit__exp(0.5 * (fraction * large + (1 - fraction) * small));
      }
      mean += deviation * noise[i];
    }
    x[i] = (float)mean;
  }
}

static void schedule_ddim(const dit_schedule_row *row, int32_t noisy, int32_t clip, int64_t n, float *x,
                          const float *eps, const float *noise) {
  double to_x0 = sqrt(1 / row->alpha_cumprod), to_eps = sqrt(1 / row->alpha_cumprod - 1), sigma = row->ddim_sigma;
  double rest = 1 - row->alpha_cumprod_prev - sigma * sigma;
  double from_x0 = sqrt(row->alpha_cumprod_prev), from_eps = rest > 0 ? sqrt(rest) : 0;
  for (int64_t i = 0; i < n; i++) {
    double x0 = to_x0 * x[i] - to_eps * eps[i];
    if (clip == DIT_CLIP_ON) x0 = schedule_clip(x0);
    double mean = from_x0 * x0 + from_eps * ((to_x0 * x[i] - x0) / to_eps);
    if (noisy) mean += sigma * noise[i];
    x[i] = (float)mean;
  }
}

int32_t dit__sampler_needs_noise(const dit_schedule_row *row, int32_t last, int32_t sampler) {
  return !last && (sampler != DIT_SAMPLER_DDIM || row->ddim_sigma > 0);
}

void dit__sampler_step(const dit_schedule_row *row, int32_t last, int32_t sampler, int32_t variance, int32_t clip,
                       int64_t n, float *x, const float *eps, const float *v, const float *noise) {
  if (sampler == DIT_SAMPLER_DDIM) {
    schedule_ddim(row, dit__sampler_needs_noise(row, last, sampler), clip, n, x, eps, noise);
  } else {
    schedule_ddpm(row, last, variance, clip, n, x, eps, v, noise);
  }
}
