/* Which timesteps of a process are taken.
 *
 * EVEN and DDIM are the official code's (respace.py: "N" and "ddimN"): each kept timestep is the end of a step of a
 * process of its own. LEADING, TRAILING and LINSPACE are those of diffusers' schedulers (Lin et al. 2023, table 2).
 * With T timesteps and N steps, in double, round() going to the even neighbour at halves:
 *
 * EVEN      round(p) for p = 0, stride, stride + stride, .. (added up), stride = (T - 1) / (N - 1), or 1 for N = 1.
 * DDIM      0, s, 2 s, .. below T, with the smallest s in 1..T-1 for which these are exactly N.
 * LEADING   k * trunc(T / N) + offset, k = 0..N-1; of DPM-Solver++ k * trunc(T / (N + 1)) + offset, k = 1..N.
 * TRAILING  round(T + k * d) - 1, k = 0..N-1, d = (T - T / N) - T.
 * LINSPACE  round(k * ((T - 1) / (N - 1))), k = 0..N-1, the last T - 1; 0 for N = 1; of DPM-Solver++ those of N + 1
 *           steps but for the 0. */
#include "lib/core/numerics.h"

#include "lib/core/error.h"
#include "lib/sampling/timesteps.h"

const dit__diffusion dit__diffusion_default = {0, 1000, 0.0001, 0.02, 0, 1};

/* The smallest whole stride that keeps `steps` of `total` timesteps; 0: none. */
static int32_t spacing_stride(int32_t total, int32_t steps) {
  for (int32_t stride = 1; stride < total; stride++) {
    if ((total + stride - 1) / stride == steps) return stride;
  }
  return 0;
}

/* The number of steps nearest to `steps` that a whole stride keeps, for the message; 2 and `total` are among them. */
static int32_t spacing_nearest(int32_t total, int32_t steps) {
  int32_t away = 1;
  while (!spacing_stride(total, steps - away) && !spacing_stride(total, steps + away)) away++;
  return spacing_stride(total, steps - away) ? steps - away : steps + away;
}

static int32_t spacing_round(double x) { /* x >= 0 */
  const int32_t below = (int32_t)x;
  const double rest = x - below;
  return below + (rest > 0.5 || (rest == 0.5 && below % 2 != 0));
}

int32_t dit__timesteps_diffusers(int32_t spacing) { return spacing >= DIT_SPACING_LEADING; }

int32_t dit__timesteps_default(const dit__diffusion *process, int32_t steps, int32_t spacing, int32_t sampler) {
  if (spacing) return spacing;
  if (sampler == DIT_SAMPLER_DPMPP) return DIT_SPACING_LINSPACE;
  return sampler == DIT_SAMPLER_DDIM && spacing_stride(process->timesteps, steps) ? DIT_SPACING_DDIM : DIT_SPACING_EVEN;
}

/* LEADING and LINSPACE keep the timesteps of one step more for DPM-Solver++, which goes to the picture from the last.
 */
static int32_t spacing_sections(int32_t steps, int32_t sampler) { return steps + (sampler == DIT_SAMPLER_DPMPP); }

/* The first timestep that LEADING takes. */
static int32_t spacing_leading_first(const dit__diffusion *process, int32_t steps, int32_t sampler) {
  const int32_t sections = spacing_sections(steps, sampler);
  return (sections - 1) * (process->timesteps / sections) + process->offset;
}

dit_status dit__timesteps_check(const dit__diffusion *process, int32_t steps, int32_t spacing, int32_t sampler,
                                dit_error *error) {
  const int32_t total = process->timesteps, most = total < DIT__MAX_STEPS ? total : DIT__MAX_STEPS;
  if (steps < 1 || steps > most)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "steps %d: must be 1 to %d", (int)steps, (int)most);
  if (spacing < 0 || spacing > DIT_SPACING_LINSPACE)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "spacing %d: there is none of this number; take 0 or a DIT_SPACING_*",
                     (int)spacing);
  if (spacing == DIT_SPACING_DDIM && !spacing_stride(total, steps))
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "steps %d: no whole stride keeps %d of %d timesteps; the nearest that works is %d, or take "
                     "DIT_SPACING_EVEN",
                     (int)steps, (int)steps, (int)total, (int)spacing_nearest(total, steps));
  const int32_t chosen = dit__timesteps_default(process, steps, spacing, sampler);
  if (chosen >= DIT_SPACING_LEADING && chosen != DIT_SPACING_TRAILING && spacing_sections(steps, sampler) > total)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "steps %d: with this spacing DPM-Solver++ takes at most %d", (int)steps,
                     (int)total - 1);
  if (chosen == DIT_SPACING_LEADING && spacing_leading_first(process, steps, sampler) >= total)
    return dit__fail(
        error, DIT_ERROR_ARGUMENT,
        "steps %d: DIT_SPACING_LEADING would begin at timestep %d of 0 to %d, for the model's steps_offset "
        "is %d; take fewer steps or another spacing",
        (int)steps, (int)spacing_leading_first(process, steps, sampler), (int)total - 1, (int)process->offset);
  return DIT_OK;
}

static void spacing_whole(int32_t first, int32_t stride, int32_t steps, int32_t *kept) {
  for (int32_t i = 0; i < steps; i++) kept[i] = first + i * stride;
}

static void spacing_even(int32_t total, int32_t steps, int32_t *kept) {
  const double stride = steps > 1 ? (total - 1) / (double)(steps - 1) : 1;
  double position = 0;
  for (int32_t i = 0; i < steps; i++) {
    kept[i] = spacing_round(position);
    position += stride;
  }
}

static void spacing_trailing(int32_t total, int32_t steps, int32_t *kept) {
  const double delta = (total - total / (double)steps) - total; /* as numpy.arange finds it */
  for (int32_t k = 0; k < steps; k++) kept[steps - 1 - k] = spacing_round(total + k * delta) - 1;
}

static void spacing_linspace(int32_t total, int32_t sections, int32_t steps, int32_t *kept) {
  const double stride = sections > 1 ? (total - 1) / (double)(sections - 1) : 0;
  for (int32_t i = 0; i < steps; i++) {
    const int32_t k = sections - steps + i;
    kept[i] = k > 0 && k == sections - 1 ? total - 1 : spacing_round(k * stride);
  }
}

void dit__timesteps_list(const dit__diffusion *process, int32_t steps, int32_t spacing, int32_t sampler,
                         int32_t *kept) {
  const int32_t total = process->timesteps, sections = spacing_sections(steps, sampler);
  switch (spacing) {
    case DIT_SPACING_DDIM: spacing_whole(0, spacing_stride(total, steps), steps, kept); break;
    case DIT_SPACING_LEADING:
      spacing_whole((sections - steps) * (total / sections) + process->offset, total / sections, steps, kept);
      break;
    case DIT_SPACING_TRAILING: spacing_trailing(total, steps, kept); break;
    case DIT_SPACING_LINSPACE: spacing_linspace(total, sections, steps, kept); break;
    default: spacing_even(total, steps, kept);
  }
}
