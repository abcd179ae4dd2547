/* DDIM (Song et al. 2020). x0 and the rules of rounding: solver_x0.h.
 *
 *     e      = (sqrt(1 / a) * x - x0) / sqrt(1 / a - 1); with diffusers' spacings e = eps, unless clip_sample is
 *              MODEL_OUTPUT
 *     mean   = sqrt(b) * x0 + sqrt(max(1 - b - ddim_sigma * ddim_sigma, 0)) * e
 *     result = float(mean + ddim_sigma * noise), or float(mean) if ddim_sigma is 0 and, with official spacings, at the
 *              last step */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/sampling/solver_x0.h"

static int32_t solver_ddim_needs_noise(const dit__solver_step *step) {
  return step->rows[step->index].ddim_sigma > 0 && (step->diffusers || step->index < step->steps - 1);
}

static void solver_ddim_take(const dit__solver_step *step, int64_t n, float *x, const dit__solver_arrays *with) {
  const dit_schedule_row *row = &step->rows[step->index];
  const solver_x0 of = solver_x0_of(step);
  const int32_t noisy = solver_ddim_needs_noise(step);
  const int32_t keeps_eps = step->diffusers && step->clip != DIT_CLIP_MODEL_OUTPUT;
  const double sigma = row->ddim_sigma, rest = 1 - row->alpha_cumprod_prev - sigma * sigma;
  const double by_x0 = sqrt(row->alpha_cumprod_prev), by_e = rest > 0 ? sqrt(rest) : 0;
  for (int64_t i = 0; i < n; i++) {
    const double x0 = solver_predict(&of, x[i], with->out[i], &with->pred_x0[i]);
    const double e = keeps_eps ? (double)with->out[i] : (of.by_x * x[i] - x0) / of.by_eps;
    double mean = by_x0 * x0 + by_e * e;
    if (noisy) mean += sigma * with->noise[i];
    x[i] = (float)mean;
  }
}

const dit__solver dit__solver_ddim = {.default_spacing = DIT_SPACING_DDIM,
                                      .fixed_stride = 1,
                                      .needs_noise = solver_ddim_needs_noise,
                                      .take = solver_ddim_take};
