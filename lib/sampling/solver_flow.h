/* From the network's prediction to the velocity dx / dsigma along the linear path x = (1 - sigma) x0 + sigma noise: the
 * first line of every solver for flow matching. Rounding is that of solver_x0.h.
 *
 *     velocity = out                               if the network's time of data is 0
 *                -out                              if it is 1
 *                (x - out) / max(sigma, 0.05)      if the network predicts x0 (Li & He 2025, section 4.3)
 *     x0       = x - sigma * velocity, or out;  pred_x0 = float(x0) */
#ifndef DIT_SOLVER_FLOW_H
#define DIT_SOLVER_FLOW_H

#include "lib/sampling/solver.h"

typedef struct solver_flow {
  double sigma, sign, least; /* least: of the sigma that divides */
  int32_t sample;            /* 1: the network predicts x0 */
} solver_flow;

static inline solver_flow solver_flow_of(const dit__solver_step *step) {
  const double sigma = step->rows[step->index].sigma;
  const solver_flow of = {sigma, step->process->data_time ? -1.0 : 1.0, sigma > 0.05 ? sigma : 0.05,
                          step->process->prediction == DIT__PREDICTION_SAMPLE};
  return of;
}

static inline double solver_flow_velocity(const solver_flow *of, float x, float out, float *pred_x0) {
  const double velocity = of->sample ? ((double)x - (double)out) / of->least : of->sign * (double)out;
  *pred_x0 = of->sample ? out : (float)((double)x - of->sigma * velocity);
  return velocity;
}

#endif
