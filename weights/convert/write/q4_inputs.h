/* Second moments of the inputs of each of a transformer's matrices, estimated from its weights. They shape the rounding
 * error of q4, as GPTQ does with moments of a calibration set (Frantar et al. 2022). */
#ifndef DIT_CONVERT_Q4_INPUTS_H
#define DIT_CONVERT_Q4_INPUTS_H

#include "weights/convert/shape/content.h"

enum { Q4_DIRECTIONS = 32 };

/* For a matrix with k columns, the second moments of its inputs are about the sum over d of p[.][d] p[.][d]' plus a
 * diagonal. */
typedef struct q4_inputs {
  int64_t k;
  float *p;    /* [k][Q4_DIRECTIONS]; all 0 if nothing is known */
  float *gain; /* [k][Q4_DIRECTIONS]: how column k compensates the error of earlier columns (docs/q4.md) */
} q4_inputs;

/* Inputs of the modulation, from which all others are estimated: conditions over the schedule, as their mean over classes
 * and without a class. */
typedef struct q4_conditions {
  int64_t hidden;
  double *p;      /* [hidden][Q4_DIRECTIONS] */
  double *square; /* [hidden]: second moments */
  double weight;  /* of a direction: the square root of its share */
} q4_conditions;

/* out->hidden becomes 0 for a model without a timestep embedding: nothing is known about its inputs. */
dit_status q4_conditions_make(const model_content *m, int diffusers, q4_conditions *out, dit_error *error);
void q4_conditions_free(q4_conditions *c);

/* Estimates the inputs of the matrix `t`; q4_inputs_free must follow, also on failure. */
dit_status q4_inputs_make(const model_content *m, const q4_conditions *c, const content_tensor *t, q4_inputs *out,
                          dit_error *error);
void q4_inputs_free(q4_inputs *inputs);

#endif
