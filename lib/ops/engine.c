/* How operations run: the engine of a model, and tasks side by side, by the host's parallel_for, by OpenMP, or in a loop.
 * Each task works in the library's floating-point environment. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/fpenv.h"
#include "lib/ops/engine.h"

void dit__engine_open(dit__engine *engine, const dit_model *model, int32_t threads) {
  memset(engine, 0, sizeof *engine);
  engine->kernels = &model->kernels;
  engine->hooks = &model->options;
  engine->threads = threads > 0 && threads < model->options.threads ? threads : model->options.threads;
  engine->unit_flops = model->unit_flops;
}

typedef struct parallel_run {
  void(DIT_CALL *task)(void *context, int32_t index);
  void *context;
} parallel_run;

static void DIT_CALL parallel_task(void *context, int32_t index) {
  const parallel_run *run = (const parallel_run *)context;
  dit__fpenv saved;
  dit__fpenv_enter(&saved);
  run->task(run->context, index);
  dit__fpenv_leave(&saved);
}

void dit__parallel(const dit__engine *engine, int32_t count, void(DIT_CALL *task)(void *context, int32_t index),
                   void *context) {
  parallel_run run = {task, context};
  if (count == 1) {
    task(context, 0); /* the caller's mode is ours already */
  } else if (engine->hooks && engine->hooks->parallel_for) {
    engine->hooks->parallel_for(engine->hooks->user, count, parallel_task, &run);
  } else {
#ifdef _OPENMP
#pragma omp parallel for num_threads(count) schedule(static, 1)
#endif
    for (int32_t i = 0; i < count; i++) parallel_task(&run, i);
  }
}
