/* The coefficients of the timesteps that are taken.
 *
 * All is computed in double, and each operation is rounded, in the order of the parentheses; products and sums without
 * parentheses run from left to right. log is that of core/elementary.c, sqrt is IEEE's. T is the number of timesteps of
 * the process.
 *
 * Process  linear: beta(t) = first + t * step, step = (last - first) / (T - 1), but beta(T - 1) = last; scaled linear:
 *          r(t) likewise, between sqrt(first) and sqrt(last), and beta(t) = r(t) * r(t);
 *          full(t) = full(t - 1) * (1 - beta(t)), full(-1) = 1.
 * Rows     i numbers the timesteps t(i) that are taken in ascending order (timesteps.c); the sampler takes them in
 *          descending order, so row k has i = steps - 1 - k. a is alpha_cumprod, b is alpha_cumprod_prev.
 *          Official spacings make the timesteps a process of their own (official respace.py):
 *              beta = 1 - full(t(i)) / full(t(i-1)), with 1 instead of full(t(-1))
 *              a(i) = a(i-1) * (1 - beta), a(-1) = 1; b = a(i-1)
 *          Those of diffusers do not (scheduling_ddim.py, scheduling_ddpm.py, scheduling_dpmsolver_multistep.py):
 *              a = full(t(i)); b = full(t(i-1)), with 1 instead of full(t(-1)); but for DDIM, which has a fixed stride,
 *              b = full(t(i) - trunc(T / steps)), and where there is no such timestep b = 1, or full(0) if
 *              set_alpha_to_one is 0
 *              beta = 1 - a / b
 *          Then, with rest = 1 - a:
 *          posterior_variance     = beta * (1 - b) / rest
 *          posterior_log_variance = log(posterior_variance), at i = 0 that of i = 1, or 0 if there is no other; with
 *                                   diffusers' spacings log(max(posterior_variance, 1e-20))
 *          posterior_mean_x0      = beta * sqrt(b) / rest
 *          posterior_mean_x       = (1 - b) * sqrt(1 - beta) / rest
 *          ddim_sigma             = eta * sqrt((1 - b) / rest) * sqrt(1 - a / b) */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/core/elementary.h"
#include "lib/core/error.h"
#include "lib/core/names.h"
#include "lib/sampling/schedule.h"
#include "lib/sampling/schedule_flow.h"
#include "lib/sampling/solvers.h"

typedef struct schedule_tables {
  int32_t steps, diffusers;
  int32_t timestep[DIT__MAX_STEPS]; /* in ascending order, as all of these */
  int32_t target[DIT__MAX_STEPS];   /* the timestep that b is of; -1: none, the picture itself */
  double a[DIT__MAX_STEPS], b[DIT__MAX_STEPS], beta[DIT__MAX_STEPS];
} schedule_tables;

/* ---- The process ---- */

static double schedule_beta(const dit__process *process, int32_t t) {
  const double first = process->scaled ? sqrt(process->beta_start) : process->beta_start;
  const double last = process->scaled ? sqrt(process->beta_end) : process->beta_end;
  const double step = (last - first) / (process->timesteps - 1);
  const double value = t == process->timesteps - 1 ? last : first + t * step;
  return process->scaled ? value * value : value;
}

dit_status dit__process_check(const dit__process *process, dit_error *error) {
  double full = 1;
  if (!(process->beta_start >= 1e-8 && process->beta_start <= process->beta_end && process->beta_end <= 0.999))
    return dit__fail(error, DIT_ERROR_FORMAT,
                     "keys dit.beta_start and dit.beta_end: must rise, from at least 1e-8 to at most 0.999");
  for (int32_t t = 0; t < process->timesteps; t++) full *= 1 - schedule_beta(process, t);
  if (!(full >= 1e-30))
    return dit__fail(error, DIT_ERROR_FORMAT,
                     "keys dit.beta_end and dit.timesteps: at the last of %d timesteps less than 1e-30 of the picture "
                     "is left, so no model can have been trained with this process",
                     (int)process->timesteps);
  return DIT_OK;
}

/* ---- Rows ---- */

static void schedule_official(const dit__process *process, schedule_tables *tables) {
  double full = 1, before = 1, product = 1;
  for (int32_t t = 0, i = 0; t < process->timesteps && i < tables->steps; t++) {
    full *= 1 - schedule_beta(process, t);
    if (t != tables->timestep[i]) continue;
    tables->beta[i] = 1 - full / before;
    before = full;
    tables->b[i] = product;
    product *= 1 - tables->beta[i];
    tables->a[i++] = product;
  }
}

static void schedule_of_diffusers(const dit__process *process, int32_t fixed_stride, schedule_tables *tables) {
  const int32_t steps = tables->steps, stride = process->timesteps / steps;
  double full = 1;
  for (int32_t i = 0; i < steps; i++) {
    tables->target[i] = fixed_stride ? tables->timestep[i] - stride : i > 0 ? tables->timestep[i - 1] : -1;
    if (fixed_stride && tables->target[i] < 0 && !process->set_alpha_to_one) tables->target[i] = 0;
    if (tables->target[i] < 0) tables->b[i] = 1;
  }
  for (int32_t t = 0, i = 0, k = 0; t < process->timesteps; t++) { /* both lists ascend */
    full *= 1 - schedule_beta(process, t);
    while (k < steps && tables->target[k] <= t) {
      if (tables->target[k] == t) tables->b[k] = full;
      k++;
    }
    for (; i < steps && tables->timestep[i] == t; i++) tables->a[i] = full;
  }
  for (int32_t i = 0; i < steps; i++) tables->beta[i] = 1 - tables->a[i] / tables->b[i];
}

static double schedule_posterior_variance(const schedule_tables *tables, int32_t i) {
  return tables->beta[i] * (1 - tables->b[i]) / (1 - tables->a[i]);
}

static double schedule_log_variance(const schedule_tables *tables, int32_t i) {
  if (!tables->diffusers) return tables->steps > 1 ? dit__log(schedule_posterior_variance(tables, i > 0 ? i : 1)) : 0;
  const double variance = schedule_posterior_variance(tables, i);
  return dit__log(variance > 1e-20 ? variance : 1e-20);
}

static void schedule_row(const schedule_tables *tables, int32_t i, float eta, dit_schedule_row *row) {
  const double a = tables->a[i], b = tables->b[i], beta = tables->beta[i], rest = 1 - a;
  row->timestep = tables->timestep[i];
  row->alpha_cumprod = a;
  row->alpha_cumprod_prev = b;
  row->beta = beta;
  row->posterior_variance = schedule_posterior_variance(tables, i);
  row->posterior_log_variance = schedule_log_variance(tables, i);
  row->posterior_mean_x0 = beta * sqrt(b) / rest;
  row->posterior_mean_x = (1 - b) * sqrt(1 - beta) / rest;
  row->second_timestep = row->sigma = row->sigma_next = 0;
  row->ddim_sigma = eta * sqrt((1 - b) / rest) * sqrt(1 - a / b);
}

dit_status dit__schedule_check_sampler(const dit__process *process, int32_t sampler, dit_error *error) {
  if (dit__solver_get(sampler)->path == process->path) return DIT_OK;
  const int32_t diffusion = process->path == DIT__PATH_DIFFUSION;
  return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_params: sampler %s is for %s, and the model learned %s; use %s",
                   dit__name(DIT__ENUM_SAMPLER, sampler), diffusion ? "flow matching" : "diffusion",
                   diffusion ? "diffusion" : "flow matching",
                   diffusion ? "ddpm, ddim or dpm++" : "euler, heun, euler_maruyama or consistency");
}

int32_t dit__schedule(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler, float eta,
                      int32_t capacity, dit_schedule_row *rows, dit_error *error) {
  schedule_tables tables;
  dit_status status = dit__schedule_check_sampler(process, sampler, error);
  if (status) return status;
  if (process->path != DIT__PATH_DIFFUSION) {
    status = dit__flow_check(steps, spacing, sampler, error);
    return status ? status : dit__flow_schedule(process, steps, sampler, capacity, rows);
  }
  status = dit__timesteps_check(process, steps, spacing, sampler, error);
  if (status) return status;
  if (!(eta >= 0 && eta <= 1))
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "dit_params: eta must be a number from 0 (no noise) to 1 (as much noise as DDPM)");
  if (!capacity) return steps;
  spacing = dit__timesteps_default(process, steps, spacing, sampler);
  tables.steps = steps;
  tables.diffusers = dit__timesteps_diffusers(spacing);
  dit__timesteps_list(process, steps, spacing, sampler, tables.timestep);
  if (tables.diffusers)
    schedule_of_diffusers(process, dit__solver_get(sampler)->fixed_stride, &tables);
  else
    schedule_official(process, &tables);
  for (int32_t k = 0; k < steps && k < capacity; k++) schedule_row(&tables, steps - 1 - k, eta, &rows[k]);
  return steps;
}

double dit__schedule_position(const dit__process *process, int32_t steps, int32_t sampler, int32_t row) {
  if (process->path != DIT__PATH_DIFFUSION) return dit__flow_position(process, steps, sampler, row);
  return (row + 0.5) / steps;
}

dit__mixture dit__schedule_mixture(const dit__process *process, const dit_schedule_row *row, int32_t end) {
  const double a = end ? row->alpha_cumprod_prev : row->alpha_cumprod, sigma = end ? row->sigma_next : row->sigma;
  const dit__mixture of_diffusion = {sqrt(a), sqrt(1 - a)}, of_flow = {1 - sigma, sigma};
  return process->path == DIT__PATH_DIFFUSION ? of_diffusion : of_flow;
}
