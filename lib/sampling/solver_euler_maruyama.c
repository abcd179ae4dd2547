/* The reverse SDE of flow matching by Euler and Maruyama (Ma et al. 2024, equation 4, with w = sigma, and a last step
 * without noise). Velocity and rules of rounding: solver_flow.h.
 *
 *     drift  = (2 - sigma) * velocity + x           which is velocity - sigma * score
 *     size   = sigma_next - sigma
 *     result = float(x + size * drift + sqrt(2 * sigma) * sqrt(-size) * noise), or without noise at the last step */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/sampling/solver_flow.h"

static int32_t solver_euler_maruyama_needs_noise(const dit__solver_step *step) {
  return step->rows[step->index].sigma_next > 0;
}

static void solver_euler_maruyama_take(const dit__solver_step *step, int64_t n, float *x,
                                       const dit__solver_arrays *with) {
  const dit_schedule_row *row = &step->rows[step->index];
  const solver_flow of = solver_flow_of(step);
  const double size = row->sigma_next - row->sigma;
  const double deviation = solver_euler_maruyama_needs_noise(step) ? sqrt(2 * row->sigma) * sqrt(-size) : 0;
  for (int64_t i = 0; i < n; i++) {
    const double velocity = solver_flow_velocity(&of, x[i], with->out[i], &with->pred_x0[i]);
    const double mean = x[i] + size * ((2 - row->sigma) * velocity + x[i]);
    x[i] = (float)(deviation > 0 ? mean + deviation * with->noise[i] : mean);
  }
}

const dit__solver dit__solver_euler_maruyama = {.path = DIT__PATH_LINEAR,
                                                .last_sigma = 0.04,
                                                .needs_noise = solver_euler_maruyama_needs_noise,
                                                .take = solver_euler_maruyama_take};
