/* From x and the network's eps to x0, the picture that it sees in x: the first line of every solver.
 *
 * In this file and in each solver_*.c all is computed in double, and each operation is rounded, in the order of the
 * parentheses; products and sums without parentheses run from left to right. log and exp are those of
 * core/elementary.c, sqrt is IEEE's. Only results are rounded to float, each number once. a, b, beta and the other
 * names are the members of the step's dit_schedule_row, a being alpha_cumprod and b alpha_cumprod_prev.
 *
 *     x0 = sqrt(1 / a) * x - sqrt(1 / a - 1) * eps;  pred_x0 = float(x0);  with clip_sample, x0 is cut to [-1, 1] */
#ifndef DIT_SOLVER_X0_H
#define DIT_SOLVER_X0_H

#include <math.h>

#include "lib/sampling/solver.h"

typedef struct solver_x0 {
  double by_x, by_eps;
  int32_t clip;
} solver_x0;

static inline solver_x0 solver_x0_of(const dit__solver_step *step) {
  const double a = step->rows[step->index].alpha_cumprod;
  const solver_x0 of = {sqrt(1 / a), sqrt(1 / a - 1), step->clip != DIT_CLIP_OFF};
  return of;
}

static inline double solver_clip(double x) { return x > 1 ? 1 : x < -1 ? -1 : x; } /* NaN stays NaN */

static inline double solver_predict(const solver_x0 *of, float x, float eps, float *pred_x0) {
  const double x0 = of->by_x * x - of->by_eps * eps;
  *pred_x0 = (float)x0;
  return of->clip ? solver_clip(x0) : x0;
}

#endif
