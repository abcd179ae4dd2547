/* dit__solver_take with its arrays as arguments. */
#ifndef DIT_TEST_TAKE_H
#define DIT_TEST_TAKE_H

#include "lib/sampling/solvers.h"

static void take(const dit__solver_step *step, int64_t n, float *x, const float *out, const float *variance,
                 const float *noise, float *pred_x0) {
  const dit__solver_arrays with = {.out = out, .variance = variance, .noise = noise, .pred_x0 = pred_x0};
  dit__solver_take(step, n, x, &with);
}

#endif
