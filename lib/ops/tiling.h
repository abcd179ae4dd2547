/* How operations are cut into units and tasks: what plan.c shares with the files of single kinds of operations. */
#ifndef DIT_CUT_H
#define DIT_CUT_H

#include "lib/core/integers.h"
#include "lib/ops/plan.h"

enum { FLOPS_PER_MOVE = 16 }; /* what a number costs that is packed or gathered, in flops of a product */

/* Tasks for `work` flops: not more than threads, and none smaller than what starting it costs. */
static inline int32_t task_count(const dit__engine *engine, double work, int64_t most) {
  const int64_t worth = (int64_t)(work / 1e6) + 1;
  return (int32_t)max64(1, min64(min64(engine->threads, worth), most));
}

/* ---- product.c: DIT__PRODUCT, and what convolutions have of it ---- */

int64_t dit__product_units(const dit__engine *engine, const dit__op *op);
dit__unit dit__product_next(const dit__engine *engine, const dit__op *op, int64_t unit);
size_t dit__product_bytes(const dit__engine *engine, const dit__op *op);
void dit__product_unit(const dit__engine *engine, const dit__op *op, int64_t unit);

/* Packs columns of a matrix as its products want them. rows: dit__rows_bytes for each thread; NULL if that is 0. */
void dit__pack_matrix(const dit__engine *engine, const dit__matrix *matrix, int32_t column, int32_t columns, int32_t nr,
                      size_t panel_bytes, uint8_t *panels, uint8_t *rows);

/* A product whose panels are ready: `product` describes all of the chunk. */
typedef struct dit__gemm_run {
  const dit__kernels *kernels;
  dit__qgemm product;           /* .to alone for f32 */
  const dit__qgemm_kernel *dot; /* NULL: f32 */
  const uint8_t *panels;
  uint8_t *scratch; /* dit__gemm_task_bytes a task */
  size_t panel_bytes;
  int32_t nr, rows, columns, tasks;
  int32_t by_columns; /* 1: each task takes some columns, 0: some rows */
} dit__gemm_run;

size_t dit__gemm_task_bytes(void);
void dit__gemm_compute(const dit__engine *engine, dit__gemm_run *run, double k);

/* ---- attention.c: DIT__ATTENTION ---- */

int64_t dit__attention_units(const dit__engine *engine, const dit__op *op);
double dit__attention_unit_flops(const dit__engine *engine, const dit__op *op); /* about, of a unit */
size_t dit__attention_bytes(const dit__engine *engine, const dit__op *op);
void dit__attention_unit(const dit__engine *engine, const dit__op *op, int64_t unit);

/* ---- convolution.c, winograd.c: DIT__CONVOLUTION, each for its matrices ---- */

int64_t dit__convolution_units(const dit__engine *engine, const dit__op *op);
size_t dit__convolution_scratch(const dit__engine *engine, const dit__op *op);
void dit__convolution_unit(const dit__engine *engine, const dit__op *op, int64_t unit);

int64_t dit__winograd_units(const dit__engine *engine, const dit__op *op);
double dit__winograd_unit_flops(const dit__engine *engine, const dit__op *op); /* about, of a unit */
size_t dit__winograd_bytes(const dit__engine *engine, const dit__op *op);
void dit__winograd_unit(const dit__engine *engine, const dit__op *op, int64_t unit);

#endif
