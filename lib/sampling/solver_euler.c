/* Euler's method for flow matching. Velocity and rules of rounding: solver_flow.h.
 *
 *     result = float(x + (sigma_next - sigma) * velocity) */
#include "lib/core/numerics.h"

#include "lib/sampling/solver_flow.h"

static void solver_euler_take(const dit__solver_step *step, int64_t n, float *x, const dit__solver_arrays *with) {
  const dit_schedule_row *row = &step->rows[step->index];
  const solver_flow of = solver_flow_of(step);
  const double size = row->sigma_next - row->sigma;
  for (int64_t i = 0; i < n; i++)
    x[i] = (float)(x[i] + size * solver_flow_velocity(&of, x[i], with->out[i], &with->pred_x0[i]));
}

const dit__solver dit__solver_euler = {.path = DIT__PATH_LINEAR, .take = solver_euler_take};
