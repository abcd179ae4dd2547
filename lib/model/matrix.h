/* A matrix of weights in a model, and its packing into panels. */
#ifndef DIT_MATRIX_H
#define DIT_MATRIX_H

#include "lib/kernels/kernels.h"

/* The weights and bias of a linear layer or a convolution. */
typedef struct dit__matrix {
  dit__weights weights;
  const float *bias;              /* [rows] */
  const float *panels;            /* packed when the model was opened, or NULL: packed by each product */
  const uint8_t *packed_q;        /* likewise, for `qgemm` */
  const dit__qgemm_kernel *qgemm; /* low-precision GEMM, or NULL: f32 */
  int32_t winograd; /* 1: a 3x3 convolution by Winograd's algorithm, with filters transformed as they are packed */
} dit__matrix;

/* Return the columns of a packed panel, and its bytes. */
int32_t dit__panel_columns(const dit__matrix *matrix, const dit__kernels *kernels);
size_t dit__panel_bytes(const dit__matrix *matrix, const dit__kernels *kernels);

/* Packs columns first..first+count-1 into whole panels; only the last panel of a matrix may have fewer columns. A q4
 * matrix needs dit__rows_bytes bytes of scratch at `rows` for decoded rows. */
void dit__pack(const dit__kernels *kernels, const dit__matrix *matrix, int32_t first, int32_t count, int8_t *rows,
               uint8_t *panels);
size_t dit__rows_bytes(const dit__matrix *matrix, const dit__kernels *kernels);

#endif
