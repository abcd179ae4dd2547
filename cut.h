/* How operations are cut into units and tasks: what plan.c shares with the files of single kinds of operations. */
#ifndef DIT_CUT_H
#define DIT_CUT_H

#include "plan.h"

enum { PLAN_MOVED = 16 }; /* what a number costs that is packed or gathered, in flops of a product */

static inline size_t plan_round(size_t size) { return (size + 63) / 64 * 64; }
static inline int64_t plan_ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t plan_least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t plan_most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Share `index` of `total` things among `parts`, in whole multiples of `grain`. */
static inline void plan_share(int64_t total, int32_t parts, int32_t index, int64_t grain, int64_t *first,
                              int64_t *count) {
  const int64_t grains = plan_ceil(total, grain);
  const int64_t begin = grains * index / parts * grain, end = grains * (index + 1) / parts * grain;
  *first = plan_least(begin, total);
  *count = plan_least(end, total) - *first;
}

/* Tasks for `work` flops: not more than threads, and none smaller than what starting it costs. */
static inline int32_t plan_tasks(const dit__engine *engine, double work, int64_t most) {
  const int64_t worth = (int64_t)(work / 1e6) + 1;
  return (int32_t)plan_most(1, plan_least(plan_least(engine->threads, worth), most));
}

/* ---- Shares: what tasks take from ---- */

/* `total` things: each task has a part of them, takes `grain` of it at a time, and then helps the others, so that none
 * waits for one whose processor is slow. Each task's memory begins with a line for its part. */
enum { DIT__SHARE_BYTES = 64 };
typedef struct dit__shares {
  int64_t total, grain;
  int32_t tasks;
  uint8_t *memory; /* `stride` bytes a task, aligned to 64 */
  size_t stride;
} dit__shares;

static inline intptr_t *shares_taken(const dit__shares *shares, int32_t task) {
  return (intptr_t *)(void *)(shares->memory + (size_t)task * shares->stride);
}

static inline dit__shares shares_open(int64_t total, int64_t grain, int32_t tasks, uint8_t *memory, size_t stride) {
  const dit__shares shares = {total, grain, tasks, memory, stride};
  for (int32_t i = 0; i < tasks; i++) *shares_taken(&shares, i) = 0;
  return shares;
}

/* The next things for task `index`, or 0: there are none. helping: 0 before the first call; how many tasks further they
 * were meant for. */
static inline int32_t shares_take(const dit__shares *shares, int32_t index, int32_t *helping, int64_t *first,
                                  int64_t *count) {
  for (; *helping < shares->tasks; ++*helping) {
    const int32_t whose = (index + *helping) % shares->tasks;
    const int64_t at = dit__atomic_add(shares_taken(shares, whose), (intptr_t)shares->grain) - shares->grain;
    plan_share(shares->total, shares->tasks, whose, 1, first, count);
    if (at >= *count) continue;
    *first += at;
    *count = plan_least(shares->grain, *count - at);
    return 1;
  }
  return 0;
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
typedef struct dit__product_run {
  const dit__kernels *kernels;
  dit__product_dot product; /* .to alone for f32 */
  const dit__dot *dot;      /* NULL: f32 */
  const uint8_t *panels;
  uint8_t *scratch; /* dit__product_task_bytes a task */
  size_t panel_bytes;
  int32_t nr, rows, columns, tasks;
  int32_t by_columns; /* 1: each task takes some columns, 0: some rows */
} dit__product_run;

size_t dit__product_task_bytes(void);
void dit__product_compute(const dit__engine *engine, dit__product_run *run, double k);

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
