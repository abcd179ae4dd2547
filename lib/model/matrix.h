/* A matrix of weights as a model holds it, and its packing into panels. */
#ifndef DIT_MATRIX_H
#define DIT_MATRIX_H

#include "lib/kernels/kernels.h"

/* A linear layer or convolution as the model holds it. */
typedef struct dit__matrix {
  dit__weights weights;
  const float *bias;              /* [rows] */
  const float *panels;            /* packed when the model was opened, or NULL */
  const uint8_t *packed_q;        /* likewise, for `qgemm` */
  const dit__qgemm_kernel *qgemm; /* products of narrow numbers, or NULL: f32 */
  int32_t winograd;               /* 1: a 3x3 convolution that runs as Winograd's, with panels of its own */
} dit__matrix;

/* Columns of a packed panel, and its bytes. */
int32_t dit__panel_columns(const dit__matrix *matrix, const dit__kernels *kernels);
size_t dit__panel_bytes(const dit__matrix *matrix, const dit__kernels *kernels);

/* Packs columns first..first+count-1 (whole panels but for the last). rows: dit__rows_bytes, for q4 rows on their way.
 */
void dit__pack(const dit__kernels *kernels, const dit__matrix *matrix, int32_t first, int32_t count, int8_t *rows,
               uint8_t *panels);
size_t dit__rows_bytes(const dit__matrix *matrix, const dit__kernels *kernels);

#endif
