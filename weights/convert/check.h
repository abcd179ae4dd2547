/* Two files compared tensor by tensor. */
#ifndef DIT_CONVERT_CHECK_H
#define DIT_CONVERT_CHECK_H

#include "weights/convert/shape/inputs.h"
#include "weights/convert/write/progress.h"

typedef struct check_result {
  size_t compared, equal; /* tensors that both have, and those of them with the same numbers */
  size_t only_a, only_b;  /* without position tables, which can be computed */
  size_t misshapen;
  double worst; /* the largest relative error of a tensor: the root of sum (a - b)^2 / sum a^2 */
  char worst_name[80];
  char first_odd[160]; /* the first tensor that is missing or of another shape, and where; or "" */
} check_result;

/* Compares what two lists of inputs hold; the names of an autoencoder's tensors begin with "vae.". Returns DIT_CANCELLED
 * if `watch` asked to stop. */
dit_status check_files(const inputs *a, const inputs *b, const progress *watch, check_result *out, dit_error *error);

#endif
