/* What convolutions share with GEMM: packing a matrix, and multiplying by panels that are ready. */
#ifndef DIT_OPS_GEMM_H
#define DIT_OPS_GEMM_H

#include "lib/ops/engine.h"

/* Packs columns of a matrix. q4_rows: dit__rows_bytes for each thread; may be NULL if that is 0. */
void dit__pack_matrix(const dit__engine *engine, const dit__matrix *matrix, int32_t column, int32_t columns, int32_t nr,
                      size_t panel_bytes, uint8_t *panels, uint8_t *q4_rows);

/* A GEMM whose panels are ready: `arguments` describes all of the chunk. */
typedef struct dit__gemm_run {
  const dit__kernels *kernels;
  const dit__qgemm_kernel *qgemm; /* NULL: f32 */
  dit__qgemm arguments;           /* .to alone for f32 */
  const uint8_t *panels;
  size_t panel_bytes;
  uint8_t *scratch; /* dit__gemm_task_bytes for each task */
  int32_t nr, rows, columns, tasks;
  int32_t by_columns; /* 1: each task takes some columns, 0: some rows */
} dit__gemm_run;

size_t dit__gemm_task_bytes(void);
void dit__gemm_compute(const dit__engine *engine, dit__gemm_run *run, double k);

#endif
