/* Multistep consistency sampling (Song et al. 2023, algorithm 1) for flow matching: each step jumps to the data, and
 * fresh noise leads back to where the next one begins. Velocity and rules of rounding: solver_flow.h.
 *
 *     result = float((1 - sigma_next) * x0 + sigma_next * noise), or float(x0) at the last step */
#include "lib/core/numerics.h"

#include "lib/sampling/solver_flow.h"

static int32_t solver_consistency_needs_noise(const dit__solver_step *step) {
  return step->rows[step->index].sigma_next > 0;
}

static void solver_consistency_take(const dit__solver_step *step, int64_t n, float *x, const dit__solver_arrays *with) {
  const double sigma = step->rows[step->index].sigma, next = step->rows[step->index].sigma_next;
  const solver_flow of = solver_flow_of(step);
  for (int64_t i = 0; i < n; i++) {
    const double velocity = solver_flow_velocity(&of, x[i], with->out[i], &with->pred_x0[i]);
    const double x0 = of.sample ? (double)with->out[i] : x[i] - sigma * velocity;
    x[i] = (float)(next > 0 ? (1 - next) * x0 + next * with->noise[i] : x0);
  }
}

const dit__solver dit__solver_consistency = {.path = DIT__PATH_LINEAR,
                                             .jumps = 1,
                                             .needs_noise = solver_consistency_needs_noise,
                                             .take = solver_consistency_take};
