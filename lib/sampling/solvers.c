/* The table of samplers. */
#include "lib/core/numerics.h"

#include "lib/sampling/solvers.h"

const dit__solver *dit__solver_get(int32_t sampler) {
  static const dit__solver *const solvers[] = {[DIT_SAMPLER_DDPM] = &dit__solver_ddpm,
                                               [DIT_SAMPLER_DDIM] = &dit__solver_ddim,
                                               [DIT_SAMPLER_DPMPP] = &dit__solver_dpmpp,
                                               [DIT_SAMPLER_EULER] = &dit__solver_euler,
                                               [DIT_SAMPLER_HEUN] = &dit__solver_heun,
                                               [DIT_SAMPLER_EULER_MARUYAMA] = &dit__solver_euler_maruyama,
                                               [DIT_SAMPLER_CONSISTENCY] = &dit__solver_consistency};
  return solvers[sampler];
}

int32_t dit__solver_needs_noise(const dit__solver_step *step) {
  const dit__solver *solver = dit__solver_get(step->sampler);
  return solver->needs_noise && solver->needs_noise(step);
}

void dit__solver_take(const dit__solver_step *step, int64_t n, float *x, const dit__solver_arrays *with) {
  dit__solver_get(step->sampler)->take(step, n, x, with);
}
