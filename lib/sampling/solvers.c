/* One step of a sampler: DDPM (Ho et al. 2020; learned variance: Nichol & Dhariwal 2021), DDIM (Song et al. 2020) and
 * DPM-Solver++ (2M) (Lu et al. 2022, algorithm 2, with data prediction).
 *
 * All in double, each operation rounded, in the order of the parentheses (products and sums without any run from left
 * to right), log and exp those of math.c, sqrt IEEE's. Only results are rounded to float, once per number. a, b, ..: of
 * the row (schedule.c). Where the official code and diffusers part ways, the spacing says which is meant.
 *
 * All        x0 = sqrt(1 / a) * x - sqrt(1 / a - 1) * eps; clean = float(x0); then, with clip, x0 is cut to [-1, 1]
 * DDPM       mean = posterior_mean_x0 * x0 + posterior_mean_x * x
 *            l = log(beta) if the variance is fixed large, posterior_log_variance if it is fixed small; learned:
 *            l = g * log(beta) + (1 - g) * posterior_log_variance with g = (v + 1) / 2; direct: l = v
 *            d = exp(0.5 * l), but direct with diffusers' spacings sqrt(v), or 0 if v is negative
 *            result float(mean + d * noise), or float(mean) at the last step, with diffusers' spacings at timestep 0
 * DDIM       e = (sqrt(1 / a) * x - x0) / sqrt(1 / a - 1); with diffusers' spacings e = eps, unless clip is DERIVED
 *            mean = sqrt(b) * x0 + sqrt(left) * e with left = 1 - b - sigma * sigma, or 0 if that is negative
 *            result float(mean + sigma * noise), or float(mean) for sigma 0 and, but with diffusers' spacings, at the
 *            last step
 * DPM-S.++   w = sqrt(1 - b) / sqrt(1 - a)
 *            result float(w * x + (sqrt(b) - w * sqrt(a)) * data); data = x0 at the first and last step (order 1), else
 *            data = x0 + 0.5 * (L(b) - L(a)) / (L(a) - L(p)) * (x0 - before), with L(y) = log(y / (1 - y)), p the
 *            alpha_cumprod of the step before, and before its clean, cut like x0 */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/core/elementary.h"
#include "lib/sampling/solvers.h"
#include "lib/sampling/timesteps.h"

static double step_clip(double x) { return x > 1 ? 1 : x < -1 ? -1 : x; } /* NaN stays NaN */

/* From the state and the network's eps to the picture, in three of the samplers. */
typedef struct step_data {
  double by_x, by_eps;
  int32_t clip;
} step_data;

static step_data step_data_of(const dit__solver_step *step) {
  const double a = step->rows[step->index].alpha_cumprod;
  const step_data data = {sqrt(1 / a), sqrt(1 / a - 1), step->clip != DIT_CLIP_OFF};
  return data;
}

/* x0, cut if so wished; the clean one goes out as it is. */
static double step_x0(const step_data *data, float x, float eps, float *clean) {
  const double x0 = data->by_x * x - data->by_eps * eps;
  *clean = (float)x0;
  return data->clip ? step_clip(x0) : x0;
}

int32_t dit__solver_needs_noise(const dit__solver_step *step) {
  const dit_schedule_row *row = &step->rows[step->index];
  const int32_t diffusers = dit__timesteps_diffusers(step->spacing), last = step->index == step->steps - 1;
  if (step->sampler == DIT_SAMPLER_DPMPP) return 0;
  if (step->sampler == DIT_SAMPLER_DDIM) return row->ddim_sigma > 0 && (diffusers || !last);
  return diffusers ? row->timestep > 0 : !last;
}

static void step_ddpm(const dit__solver_step *step, int64_t n, float *x, const float *eps, const float *v,
                      const float *noise, float *clean) {
  const dit_schedule_row *row = &step->rows[step->index];
  const step_data data = step_data_of(step);
  const int32_t noisy = dit__solver_needs_noise(step), direct = step->variance == DIT_VARIANCE_LEARNED;
  const int32_t of_variance = direct && dit__timesteps_diffusers(step->spacing); /* v is no logarithm */
  const double large = dit__log(row->beta), small = row->posterior_log_variance;
  double deviation = dit__exp(0.5 * (step->variance == DIT_VARIANCE_FIXED_LARGE ? large : small));
  for (int64_t i = 0; i < n; i++) {
    const double x0 = step_x0(&data, x[i], eps[i], &clean[i]);
    double mean = row->posterior_mean_x0 * x0 + row->posterior_mean_x * x[i];
    if (noisy) {
      if (step->variance == DIT_VARIANCE_LEARNED_RANGE) {
        const double fraction = (v[i] + 1.0) / 2;
        deviation = dit__exp(0.5 * (fraction * large + (1 - fraction) * small));
      } else if (direct) {
        deviation = of_variance ? sqrt(v[i] > 0 ? v[i] : 0.0) : dit__exp(0.5 * v[i]);
      }
      mean += deviation * noise[i];
    }
    x[i] = (float)mean;
  }
}

static void step_ddim(const dit__solver_step *step, int64_t n, float *x, const float *eps, const float *noise,
                      float *clean) {
  const dit_schedule_row *row = &step->rows[step->index];
  const step_data data = step_data_of(step);
  const int32_t noisy = dit__solver_needs_noise(step);
  const int32_t keeps_eps = dit__timesteps_diffusers(step->spacing) && step->clip != DIT_CLIP_MODEL_OUTPUT;
  const double sigma = row->ddim_sigma, rest = 1 - row->alpha_cumprod_prev - sigma * sigma;
  const double from_x0 = sqrt(row->alpha_cumprod_prev), from_eps = rest > 0 ? sqrt(rest) : 0;
  for (int64_t i = 0; i < n; i++) {
    const double x0 = step_x0(&data, x[i], eps[i], &clean[i]);
    const double e = keeps_eps ? (double)eps[i] : (data.by_x * x[i] - x0) / data.by_eps;
    double mean = from_x0 * x0 + from_eps * e;
    if (noisy) mean += sigma * noise[i];
    x[i] = (float)mean;
  }
}

/* Twice lambda, the logarithm of the ratio of picture and noise. */
static double step_log_ratio(double alpha_cumprod) { return dit__log(alpha_cumprod / (1 - alpha_cumprod)); }

static void step_dpmpp(const dit__solver_step *step, int64_t n, float *x, const float *eps, float *clean) {
  const dit_schedule_row *row = &step->rows[step->index];
  const step_data data = step_data_of(step);
  const double a = row->alpha_cumprod, b = row->alpha_cumprod_prev;
  const double by_x = sqrt(1 - b) / sqrt(1 - a), by_data = sqrt(b) - by_x * sqrt(a);
  const int32_t second = step->index > step->first && step->index < step->steps - 1;
  double ahead = 0;
  if (second) {
    const double now = step_log_ratio(a), before = step_log_ratio(row[-1].alpha_cumprod);
    ahead = 0.5 * (step_log_ratio(b) - now) / (now - before);
  }
  for (int64_t i = 0; i < n; i++) {
    const double before = data.clip ? step_clip(clean[i]) : (double)clean[i];
    const double x0 = step_x0(&data, x[i], eps[i], &clean[i]);
    x[i] = (float)(by_x * x[i] + by_data * (second ? x0 + ahead * (x0 - before) : x0));
  }
}

void dit__solver_take(const dit__solver_step *step, int64_t n, float *x, const float *eps, const float *v,
                      const float *noise, float *clean) {
  switch (step->sampler) {
    case DIT_SAMPLER_DDIM: step_ddim(step, n, x, eps, noise, clean); break;
    case DIT_SAMPLER_DPMPP: step_dpmpp(step, n, x, eps, clean); break;
    default: step_ddpm(step, n, x, eps, v, noise, clean);
  }
}
