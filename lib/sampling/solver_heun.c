/* Heun's method for flow matching: a step is Euler's, and then a second pass at its end, where the mean of both
 * velocities takes the place of the first. The last step is Euler's. Velocity and rules of rounding: solver_flow.h.
 *
 *     first pass   memory = float(velocity);  result = float(x + (sigma_next - sigma) * velocity)
 *     second pass  result = float(x + 0.5 * (sigma_next - sigma) * (velocity - memory)), with the first pass's sigmas */
#include "lib/core/numerics.h"

#include "lib/sampling/solver_flow.h"

static void solver_heun_take(const dit__solver_step *step, int64_t n, float *x, const dit__solver_arrays *with) {
  const int32_t second = step->index % 2;
  const dit_schedule_row *row = &step->rows[step->index - second];
  const solver_flow of = solver_flow_of(step);
  const double size = row->sigma_next - row->sigma;
  for (int64_t i = 0; i < n; i++) {
    const double velocity = solver_flow_velocity(&of, x[i], with->out[i], &with->pred_x0[i]);
    if (second) {
      x[i] = (float)(x[i] + 0.5 * size * (velocity - with->memory[i]));
    } else {
      with->memory[i] = (float)velocity;
      x[i] = (float)(x[i] + size * velocity);
    }
  }
}

const dit__solver dit__solver_heun = {.path = DIT__PATH_LINEAR, .passes = 2, .remembers = 1, .take = solver_heun_take};
