/* How operations run: for one job or call. */
#ifndef DIT_ENGINE_H
#define DIT_ENGINE_H

#include "lib/core/integers.h"
#include "lib/model/model.h"

typedef struct dit__engine {
  const dit__kernels *kernels;
  const dit_options *hooks;
  int32_t threads;
  double unit_flops;       /* how large a unit may be */
  intptr_t *packing_clock; /* if not NULL, accumulates microseconds spent packing inside GEMM units; atomic */
} dit__engine;

/* The engine of a job or call on `model`; threads 0: the model's. */
void dit__engine_open(dit__engine *engine, const dit_model *model, int32_t threads);

/* Runs task(context, 0..count-1), by the host's parallel_for, OpenMP or a loop; count is at most engine->threads. */
void dit__parallel(const dit__engine *engine, int32_t count, void(DIT_CALL *task)(void *context, int32_t index),
                   void *context);

/* What moving and what normalizing a number costs, in flops of a GEMM. */
enum { FLOPS_PER_MOVE = 16, FLOPS_PER_ELEMENT = 32 };

/* How many tasks `work` flops are worth: not more than threads, and none smaller than what starting it costs. */
static inline int32_t task_count(const dit__engine *engine, double work, int64_t max) {
  const int64_t worth = (int64_t)(work / 1e6) + 1;
  return (int32_t)max64(1, min64(min64(engine->threads, worth), max));
}

#endif
