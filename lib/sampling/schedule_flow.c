/* The sigmas of the steps that are taken along a linear path, in double, each operation rounded.
 *
 * Steps    s(k) = 1 - k / N, k = 0..N; or, for a sampler whose last step begins at l, s(k) = 1 + k * ((l - 1) / (N - 1)),
 *          k = 0..N-1, and s(N) = 0; then sigma(k) = shift * s(k) / (1 + (shift - 1) * s(k)).
 * Rows     one for each pass: of a step with a second pass two, but of the last step one. sigma is where the pass looks,
 *          sigma_next is where the step ends.
 * Times    t(sigma) = sigma, or 1 - sigma for a network whose time of data is 1. The second time is that of where the pass
 *          looks to: sigma_next; or 0 for a sampler that jumps; or sigma itself for one with a second pass or an SDE,
 *          which need the velocity at one time. */
#include "lib/core/numerics.h"

#include "lib/core/error.h"
#include "lib/core/names.h"
#include "lib/sampling/schedule_flow.h"
#include "lib/sampling/solvers.h"
#include "lib/sampling/timesteps.h"

static int32_t flow_passes(const dit__solver *solver) { return solver->passes ? solver->passes : 1; }

/* sigma(k) of `steps`. */
static double flow_sigma(const dit__process *process, const dit__solver *solver, int32_t steps, int32_t k) {
  double s = 1 - k / (double)steps;
  if (solver->last_sigma > 0) s = k ? 1 + k * ((solver->last_sigma - 1) / (steps - 1)) : 1;
  if (k == steps) s = 0;
  return process->shift * s / (1 + (process->shift - 1) * s);
}

static double flow_time(const dit__process *process, double sigma) { return process->data_time ? 1 - sigma : sigma; }

static void flow_row(const dit__process *process, const dit__solver *solver, int32_t steps, int32_t row,
                     dit_schedule_row *out) {
  const int32_t passes = flow_passes(solver), step = row / passes, second = row % passes;
  const dit_schedule_row empty = {0};
  *out = empty;
  out->sigma = flow_sigma(process, solver, steps, step + second);
  out->sigma_next = flow_sigma(process, solver, steps, step + 1);
  out->timestep = flow_time(process, out->sigma);
  const int32_t instant = passes > 1 || solver->last_sigma > 0;
  const double end = flow_time(process, solver->jumps ? 0 : instant ? out->sigma : out->sigma_next);
  if (process->second_time == DIT__SECOND_TIME_END) out->second_timestep = end;
  if (process->second_time == DIT__SECOND_TIME_DIFFERENCE) out->second_timestep = out->timestep - end;
}

dit_status dit__flow_check(int32_t steps, int32_t spacing, int32_t sampler, dit_error *error) {
  const int32_t passes = flow_passes(dit__solver_get(sampler)), most = DIT__MAX_STEPS / passes;
  if (steps < 1 || steps > most)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: steps is %d; with sampler %s it must be 1 to %d",
                     (int)steps, dit__name(DIT__ENUM_SAMPLER, sampler), (int)most);
  if (spacing && spacing != DIT_SPACING_EVEN)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "dit_params: timestep_spacing is %s, which is for diffusion; the steps of flow matching are even "
                     "or shifted (timestep_shift)",
                     dit__name(DIT__ENUM_SPACING, spacing));
  return DIT_OK;
}

int32_t dit__flow_schedule(const dit__process *process, int32_t steps, int32_t sampler, int32_t capacity,
                           dit_schedule_row *rows) {
  const dit__solver *solver = dit__solver_get(sampler);
  const int32_t count = steps * flow_passes(solver) - (flow_passes(solver) - 1);
  for (int32_t i = 0; i < count && i < capacity; i++) flow_row(process, solver, steps, i, &rows[i]);
  return count;
}

double dit__flow_position(const dit__process *process, int32_t steps, int32_t sampler, int32_t row) {
  const dit__solver *solver = dit__solver_get(sampler);
  const int32_t passes = flow_passes(solver), second = process->guides_passes ? row % passes : 0;
  return 1 - flow_sigma(process, solver, steps, row / passes + second);
}
