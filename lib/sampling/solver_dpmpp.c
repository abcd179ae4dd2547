/* DPM-Solver++ (2M) (Lu et al. 2022, algorithm 2, with data prediction). x0 and the rules of rounding: solver_x0.h.
 *
 *     w      = sqrt(1 - b) / sqrt(1 - a)
 *     data   = x0 at the first and the last step, which are of order 1; at the others, with L(y) = log(y / (1 - y)),
 *              p the alpha_cumprod of the step before and q its pred_x0, cut like x0,
 *              x0 + 0.5 * (L(b) - L(a)) / (L(a) - L(p)) * (x0 - q)
 *     result = float(w * x + (sqrt(b) - w * sqrt(a)) * data) */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/core/elementary.h"
#include "lib/sampling/solver_x0.h"

/* Twice the paper's lambda, the logarithm of the ratio of signal and noise. */
static double solver_dpmpp_log_ratio(double alpha_cumprod) { return dit__log(alpha_cumprod / (1 - alpha_cumprod)); }

static void solver_dpmpp_take(const dit__solver_step *step, int64_t n, float *x, const dit__solver_arrays *with) {
  const dit_schedule_row *row = &step->rows[step->index];
  const solver_x0 of = solver_x0_of(step);
  const double a = row->alpha_cumprod, b = row->alpha_cumprod_prev;
  const double by_x = sqrt(1 - b) / sqrt(1 - a), by_data = sqrt(b) - by_x * sqrt(a);
  const int32_t second_order = step->index > step->first && step->index < step->steps - 1;
  double slope = 0;
  if (second_order) {
    const double now = solver_dpmpp_log_ratio(a), before = solver_dpmpp_log_ratio(row[-1].alpha_cumprod);
    slope = 0.5 * (solver_dpmpp_log_ratio(b) - now) / (now - before);
  }
  for (int64_t i = 0; i < n; i++) {
    const double before = of.clip ? solver_clip(with->pred_x0[i]) : (double)with->pred_x0[i];
    const double x0 = solver_predict(&of, x[i], with->out[i], &with->pred_x0[i]);
    x[i] = (float)(by_x * x[i] + by_data * (second_order ? x0 + slope * (x0 - before) : x0));
  }
}

const dit__solver dit__solver_dpmpp = {
    .default_spacing = DIT_SPACING_LINSPACE, .extra_section = 1, .take = solver_dpmpp_take};
