/* What the inputs of a transformer's matrices are like, as far as its own weights tell: rounding to q4 then keeps the
 * error away from where inputs lie. */
#ifndef DIT_CONVERT_Q4_INPUTS_H
#define DIT_CONVERT_Q4_INPUTS_H

#include "weights/convert/shape/content.h"

enum { Q4_DIRECTIONS = 32 };

/* Of a matrix with k columns: its inputs' second moments are about sum over d of p[.][d] p[.][d]' plus a diagonal. */
typedef struct q4_inputs {
  int64_t k;
  float *p;    /* [k][Q4_DIRECTIONS]; zeros: nothing is known */
  float *gain; /* [k][Q4_DIRECTIONS]: how a rounding error so far is answered by column k (docs/q4.md) */
} q4_inputs;

/* Inputs of the modulation, which the others begin with: conditions over the schedule, by their mean over classes and
 * without a class. */
typedef struct q4_conditions {
  int64_t hidden;
  double *p;      /* [hidden][Q4_DIRECTIONS] */
  double *square; /* [hidden]: second moments */
  double weight;  /* of a direction: the root of its share */
} q4_conditions;

/* Nothing is known (hidden 0) of a model without a timestep embedding. */
dit_status q4_conditions_make(const model_content *m, int diffusers, q4_conditions *out, dit_error *error);
void q4_conditions_free(q4_conditions *c);

/* Of the matrix `t`; q4_inputs_free frees it. */
dit_status q4_inputs_make(const model_content *m, const q4_conditions *c, const content_tensor *t, q4_inputs *out,
                          dit_error *error);
void q4_inputs_free(q4_inputs *inputs);

#endif
