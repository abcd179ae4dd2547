/* Which timesteps of a diffusion process are taken.
 *
 * EVEN and DDIM are the official code's (respace.py: "N" and "ddimN"). LEADING, TRAILING and LINSPACE are those of
 * diffusers' schedulers (Lin et al. 2023, table 2). With T timesteps and N steps, in double, where round() takes the
 * even neighbour of a half:
 *
 * EVEN      round(p) for p = 0, stride, stride + stride, ... (added up), stride = (T - 1) / (N - 1), or 1 for N = 1.
 * DDIM      0, s, 2 s, ... below T, with the smallest s in 1..T-1 for which these are exactly N.
 * LEADING   k * trunc(T / N) + offset, k = 0..N-1; for DPM-Solver++ k * trunc(T / (N + 1)) + offset, k = 1..N.
 * TRAILING  round(T + k * d) - 1, k = 0..N-1, d = (T - T / N) - T.
 * LINSPACE  round(k * ((T - 1) / (N - 1))), k = 0..N-1, but T - 1 for the last k, and 0 for N = 1; for DPM-Solver++
 *           those of N + 1 steps without the 0. */
#include "lib/core/numerics.h"

#include "lib/core/error.h"
#include "lib/core/names.h"
#include "lib/sampling/solvers.h"
#include "lib/sampling/timesteps.h"

typedef struct timesteps_request {
  int32_t total, offset; /* T and steps_offset of the process */
  int32_t steps;         /* N */
  int32_t sections;      /* N, or N + 1 for a sampler with an extra section */
} timesteps_request;

static timesteps_request timesteps_request_of(const dit__process *process, int32_t steps, int32_t sampler) {
  const timesteps_request request = {process->timesteps, process->offset, steps,
                                     steps + dit__solver_get(sampler)->extra_section};
  return request;
}

/* x >= 0, to the nearest integer, and to the even one of two. */
static int32_t timesteps_round(double x) {
  const int32_t below = (int32_t)x;
  const double rest = x - below;
  return below + (rest > 0.5 || (rest == 0.5 && below % 2 != 0));
}

static void timesteps_arithmetic(int32_t first, int32_t stride, int32_t steps, int32_t *timesteps) {
  for (int32_t i = 0; i < steps; i++) timesteps[i] = first + i * stride;
}

/* ---- Even: the official "N" ---- */

static void timesteps_even(const timesteps_request *r, int32_t *timesteps) {
  const double stride = r->steps > 1 ? (r->total - 1) / (double)(r->steps - 1) : 1;
  double position = 0;
  for (int32_t i = 0; i < r->steps; i++) {
    timesteps[i] = timesteps_round(position);
    position += stride;
  }
}

/* ---- DDIM: the official "ddimN" ---- */

/* The smallest integer stride that takes `steps` of `total` timesteps; 0 if there is none. */
static int32_t timesteps_stride(int32_t total, int32_t steps) {
  for (int32_t stride = 1; stride < total; stride++) {
    if ((total + stride - 1) / stride == steps) return stride;
  }
  return 0;
}

/* The number nearest to `steps` that has a stride. The search ends, for 2 and `total` have one. */
static int32_t timesteps_nearest(int32_t total, int32_t steps) {
  int32_t away = 1;
  while (!timesteps_stride(total, steps - away) && !timesteps_stride(total, steps + away)) away++;
  return timesteps_stride(total, steps - away) ? steps - away : steps + away;
}

static dit_status timesteps_ddim_check(const timesteps_request *r, dit_error *error) {
  if (timesteps_stride(r->total, r->steps)) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "dit_params: steps is %d, but with timestep_spacing ddim no integer stride takes that many of %d "
                   "timesteps; the nearest number that works is %d, or use timestep_spacing even",
                   (int)r->steps, (int)r->total, (int)timesteps_nearest(r->total, r->steps));
}

static void timesteps_ddim(const timesteps_request *r, int32_t *timesteps) {
  timesteps_arithmetic(0, timesteps_stride(r->total, r->steps), r->steps, timesteps);
}

/* ---- Leading, trailing, linspace: diffusers' ---- */

static dit_status timesteps_sections_check(const timesteps_request *r, dit_error *error) {
  if (r->sections <= r->total) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "dit_params: steps is %d; with this sampler and timestep_spacing it must be at most %d",
                   (int)r->steps, (int)(r->total - (r->sections - r->steps)));
}

static dit_status timesteps_leading_check(const timesteps_request *r, dit_error *error) {
  const dit_status status = timesteps_sections_check(r, error);
  if (status) return status;
  const int32_t noisiest = (r->sections - 1) * (r->total / r->sections) + r->offset;
  if (noisiest < r->total) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "dit_params: steps is %d, but with timestep_spacing leading and the model's steps_offset of %d "
                   "sampling would begin at timestep %d of 0 to %d; use fewer steps or another timestep_spacing",
                   (int)r->steps, (int)r->offset, (int)noisiest, (int)r->total - 1);
}

static void timesteps_leading(const timesteps_request *r, int32_t *timesteps) {
  const int32_t stride = r->total / r->sections;
  timesteps_arithmetic((r->sections - r->steps) * stride + r->offset, stride, r->steps, timesteps);
}

static void timesteps_trailing(const timesteps_request *r, int32_t *timesteps) {
  const double delta = (r->total - r->total / (double)r->steps) - r->total; /* as numpy.arange finds it */
  for (int32_t k = 0; k < r->steps; k++) timesteps[r->steps - 1 - k] = timesteps_round(r->total + k * delta) - 1;
}

static void timesteps_linspace(const timesteps_request *r, int32_t *timesteps) {
  const double stride = r->sections > 1 ? (r->total - 1) / (double)(r->sections - 1) : 0;
  for (int32_t i = 0; i < r->steps; i++) {
    const int32_t k = r->sections - r->steps + i;
    timesteps[i] = k > 0 && k == r->sections - 1 ? r->total - 1 : timesteps_round(k * stride);
  }
}

/* ---- The table ---- */

typedef struct timesteps_rule {
  int32_t diffusers;                                                 /* see dit__timesteps_diffusers */
  dit_status (*check)(const timesteps_request *r, dit_error *error); /* NULL: any number of steps up to T will do */
  void (*list)(const timesteps_request *r, int32_t *timesteps);
} timesteps_rule;

static const timesteps_rule timesteps_rules[] = {
    [DIT_SPACING_EVEN] = {0, NULL, timesteps_even},
    [DIT_SPACING_DDIM] = {0, timesteps_ddim_check, timesteps_ddim},
    [DIT_SPACING_LEADING] = {1, timesteps_leading_check, timesteps_leading},
    [DIT_SPACING_TRAILING] = {1, NULL, timesteps_trailing},
    [DIT_SPACING_LINSPACE] = {1, timesteps_sections_check, timesteps_linspace},
};

int32_t dit__timesteps_diffusers(int32_t spacing) { return timesteps_rules[spacing].diffusers; }

int32_t dit__timesteps_default(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler) {
  if (spacing) return spacing;
  if (process->path != DIT__PATH_DIFFUSION) return DIT_SPACING_EVEN;
  const int32_t chosen = dit__solver_get(sampler)->default_spacing;
  return chosen == DIT_SPACING_DDIM && !timesteps_stride(process->timesteps, steps) ? DIT_SPACING_EVEN : chosen;
}

dit_status dit__timesteps_check(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler,
                                dit_error *error) {
  const int32_t most = process->timesteps < DIT__MAX_STEPS ? process->timesteps : DIT__MAX_STEPS;
  if (steps < 1 || steps > most)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: steps is %d; it must be 1 to %d", (int)steps, (int)most);
  const dit_status status = dit__check_enum("dit_params", "timestep_spacing", DIT__ENUM_SPACING, spacing, error);
  if (status) return status;
  const timesteps_request request = timesteps_request_of(process, steps, sampler);
  const timesteps_rule *rule = &timesteps_rules[dit__timesteps_default(process, steps, spacing, sampler)];
  return rule->check ? rule->check(&request, error) : DIT_OK;
}

void dit__timesteps_list(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler,
                         int32_t *timesteps) {
  const timesteps_request request = timesteps_request_of(process, steps, sampler);
  timesteps_rules[spacing].list(&request, timesteps);
}
