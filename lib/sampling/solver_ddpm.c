/* DDPM (Ho et al. 2020), with a fixed or a learned variance (Nichol & Dhariwal 2021). x0 and the rules of rounding:
 * solver_x0.h.
 *
 *     mean   = posterior_mean_x0 * x0 + posterior_mean_x * x
 *     l      = log(beta)               if the variance is FIXED_LARGE
 *              posterior_log_variance  if it is FIXED_SMALL
 *              g * log(beta) + (1 - g) * posterior_log_variance, with g = (v + 1) / 2, if it is LEARNED_RANGE
 *              v                       if it is LEARNED
 *     d      = exp(0.5 * l), or, if the variance is LEARNED and the spacing is one of diffusers', sqrt(max(v, 0))
 *     result = float(mean + d * noise), or float(mean) at the last step; with diffusers' spacings at timestep 0 */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/core/elementary.h"
#include "lib/sampling/solver_x0.h"

static int32_t solver_ddpm_needs_noise(const dit__solver_step *step) {
  return step->diffusers ? step->rows[step->index].timestep > 0 : step->index < step->steps - 1;
}

static void solver_ddpm_take(const dit__solver_step *step, int64_t n, float *x, const dit__solver_arrays *with) {
  const dit_schedule_row *row = &step->rows[step->index];
  const solver_x0 of = solver_x0_of(step);
  const int32_t noisy = solver_ddpm_needs_noise(step), learned = step->variance == DIT_VARIANCE_LEARNED;
  const double large = dit__log(row->beta), small = row->posterior_log_variance;
  double deviation = dit__exp(0.5 * (step->variance == DIT_VARIANCE_FIXED_LARGE ? large : small));
  for (int64_t i = 0; i < n; i++) {
    const double x0 = solver_predict(&of, x[i], with->out[i], &with->pred_x0[i]);
    double mean = row->posterior_mean_x0 * x0 + row->posterior_mean_x * x[i];
    if (noisy) {
      if (step->variance == DIT_VARIANCE_LEARNED_RANGE) {
        const double g = (with->variance[i] + 1.0) / 2;
        deviation = dit__exp(0.5 * (g * large + (1 - g) * small));
      } else if (learned) {
        deviation =
            step->diffusers ? sqrt(with->variance[i] > 0 ? with->variance[i] : 0.0) : dit__exp(0.5 * with->variance[i]);
      }
      mean += deviation * with->noise[i];
    }
    x[i] = (float)mean;
  }
}

const dit__solver dit__solver_ddpm = {
    .default_spacing = DIT_SPACING_EVEN, .needs_noise = solver_ddpm_needs_noise, .take = solver_ddpm_take};
