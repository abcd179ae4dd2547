/* The table of samplers. */
#include "lib/core/numerics.h"

#include "lib/sampling/solvers.h"

const dit__solver *dit__solver_get(int32_t sampler) {
  static const dit__solver *const solvers[] = {[DIT_SAMPLER_DDPM] = &dit__solver_ddpm,
                                               [DIT_SAMPLER_DDIM] = &dit__solver_ddim,
                                               [DIT_SAMPLER_DPMPP] = &dit__solver_dpmpp};
  return solvers[sampler];
}

int32_t dit__solver_needs_noise(const dit__solver_step *step) {
  const dit__solver *solver = dit__solver_get(step->sampler);
  return solver->needs_noise && solver->needs_noise(step);
}

void dit__solver_take(const dit__solver_step *step, int64_t n, float *x, const float *eps, const float *v,
                      const float *noise, float *pred_x0) {
  dit__solver_get(step->sampler)->take(step, n, x, eps, v, noise, pred_x0);
}
