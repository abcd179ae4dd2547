/* Operations become kernel calls: cut into units and tasks. */
#include "lib/core/numerics.h"

#include <math.h>
#include <string.h>

#include "lib/ops/tiling.h"

/* ---- Rows: norms, quantising, affine ---- */

typedef struct row_run {
  const dit__kernels *kernels;
  const dit__op *op;
  int64_t first, count;
  int32_t tasks;
} row_run;

static void norm_rows(const dit__kernels *kernels, const dit__op *op, int64_t first, int64_t count) {
  while (count > 0) { /* sample by sample: each has its own shift and scale */
    const int64_t sample = first / op->rows_per_sample;
    const int64_t part = min64(count, (sample + 1) * op->rows_per_sample - first);
    const float *shift = op->modulation + op->modulation_index[sample] * op->modulation_stride;
    kernels->norm_modulate(op->x + first * op->x_stride, op->x_stride, (int32_t)part, op->width, op->eps, shift,
                           shift + op->width, op->out + first * op->out_stride, op->out_stride);
    first += part;
    count -= part;
  }
}

static void DIT_CALL row_task(void *context, int32_t index) {
  const row_run *run = (const row_run *)context;
  const dit__op *op = run->op;
  int64_t first, count;
  split_range(run->count, run->tasks, index, 1, &first, &count);
  first += run->first;
  if (!count) return;
  const float *x = op->x + first * op->x_stride;
  if (op->kind == DIT__NORM) {
    norm_rows(run->kernels, op, first, count);
  } else if (op->kind == DIT__QUANTIZE) {
    op->matrix->qgemm->quantize(x, op->x_stride, (int32_t)count, op->width,
                                op->quantized.q + first * op->quantized.stride, op->quantized.stride,
                                op->quantized.scale + first, op->quantized.low + first);
  } else {
    run->kernels->affine(x, op->x_stride, (int32_t)count, op->width, op->scale, op->shift, op->silu,
                         op->out + first * op->out_stride);
  }
}

enum { FLOPS_PER_ELEMENT = 32 }; /* what a number of a row costs, in flops of a product */

static int64_t row_units(const dit__engine *engine, const dit__op *op) {
  return (int64_t)((double)op->rows * op->width * FLOPS_PER_ELEMENT / engine->unit_flops) + 1;
}

static void row_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  row_run run = {engine->kernels, op, 0, 0, 1};
  split_range(op->rows, (int32_t)row_units(engine, op), (int32_t)unit, 1, &run.first, &run.count);
  run.tasks = task_count(engine, (double)run.count * op->width * FLOPS_PER_ELEMENT, max64(run.count, 1));
  dit__parallel(engine, run.tasks, row_task, &run);
}

/* ---- Group norms ---- */

/* Scratch: per row of pixels and group a sum and a sum of squares, if the operation has no place for them; then, per
 * task, those of each channel. */
typedef struct group_run {
  const dit__kernels *kernels;
  const dit__op *op;
  double *sums;    /* [height][groups][2] */
  double *channel; /* [tasks][2][channels] */
  int64_t first, count;
  int32_t tasks;
} group_run;

static void DIT_CALL group_task(void *context, int32_t index) {
  const group_run *run = (const group_run *)context;
  const dit__op *op = run->op;
  const int32_t each = op->channels / op->groups;
  double *channel = run->channel + (ptrdiff_t)index * 2 * op->channels;
  int64_t first, count;
  split_range(run->count, run->tasks, index, 1, &first, &count);
  for (int64_t row = run->first + first; row < run->first + first + count; row++) {
    double *sums = run->sums + (op->first_row + row) * op->groups * 2;
    run->kernels->channel_sums(op->x + row * op->width * op->channels, op->width, op->channels, channel,
                               channel + op->channels);
    for (int32_t g = 0; g < op->groups; g++) {
      double sum = 0, squares = 0;
      for (int32_t c = g * each; c < (g + 1) * each; c++) {
        sum += channel[c];
        squares += channel[op->channels + c];
      }
      sums[g * 2] = sum;
      sums[g * 2 + 1] = squares;
    }
  }
}

/* GroupNorm (Wu & He 2018) as one factor and one summand a channel. */
static void group_finish(const dit__op *op, const double *sums) {
  const int32_t each = op->channels / op->groups;
  const double count = (double)op->height * op->width * each;
  for (int32_t g = 0; g < op->groups; g++) {
    double sum = 0, squares = 0;
    for (int32_t row = 0; row < op->height; row++) {
      sum += sums[((ptrdiff_t)row * op->groups + g) * 2];
      squares += sums[((ptrdiff_t)row * op->groups + g) * 2 + 1];
    }
    const double mean = sum / count, raw = squares / count - mean * mean, variance = raw > 0 ? raw : 0;
    const double factor = 1.0 / sqrt(variance + (double)op->eps);
    for (int32_t c = g * each; c < (g + 1) * each; c++) {
      const double scale = factor * (double)op->gamma[c];
      op->scale[c] = (float)scale;
      op->shift[c] = (float)((double)op->beta[c] - mean * scale);
    }
  }
}

static int64_t group_units(const dit__engine *engine, const dit__op *op) {
  return (int64_t)((double)op->rows * op->width * op->channels * 16 / engine->unit_flops) + 1;
}

static void group_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const int64_t units = group_units(engine, op);
  double *scratch = (double *)(void *)engine->scratch;
  group_run run = {engine->kernels, op, op->sums ? op->sums : scratch, scratch, 0, 0, 1};
  if (!op->sums) run.channel += (ptrdiff_t)op->height * op->groups * 2;
  split_range(op->rows, (int32_t)units, (int32_t)unit, 1, &run.first, &run.count);
  run.tasks = task_count(engine, 16.0 * (double)run.count * op->width * op->channels, max64(run.count, 1));
  dit__parallel(engine, run.tasks, group_task, &run);
  if (unit == units - 1 && op->first_row + op->rows == op->height) group_finish(op, run.sums);
}

/* ---- Operations and plans ---- */

static int64_t op_units(const dit__engine *engine, const dit__op *op) {
  switch (op->kind) {
    case DIT__PRODUCT: return dit__product_units(engine, op);
    case DIT__CONVOLUTION:
      return op->matrix->winograd ? dit__winograd_units(engine, op) : dit__convolution_units(engine, op);
    case DIT__ATTENTION: return dit__attention_units(engine, op);
    case DIT__GROUP_NORM: return group_units(engine, op);
    case DIT__CALL: return op->units;
    default: return row_units(engine, op);
  }
}

/* Multiplications and additions of all units of an operation. */
static double op_flops(const dit__op *op) {
  switch (op->kind) {
    case DIT__PRODUCT: return 2.0 * op->rows * (double)op->matrix->weights.k * op->matrix->weights.rows;
    case DIT__CONVOLUTION:
      return 2.0 * op->rows * op->image_width * (double)op->matrix->weights.k * op->matrix->weights.rows;
    case DIT__ATTENTION: return 4.0 * op->samples * op->heads * (double)op->tokens * op->tokens * op->dim;
    default: return 0;
  }
}

dit__unit dit__plan_next(const dit__plan *plan) {
  const dit__engine *engine = plan->engine;
  const dit__op *op = &plan->ops[plan->at];
  const double units = (double)op_units(engine, op);
  dit__unit unit = {op->kind, 0, op_flops(op) / units};
  switch (op->kind) {
    case DIT__PRODUCT: return dit__product_next(engine, op, plan->unit);
    case DIT__CONVOLUTION:
      unit.flops = op->matrix->winograd ? dit__winograd_unit_flops(engine, op) : unit.useful;
      break;
    case DIT__ATTENTION: unit.flops = dit__attention_unit_flops(engine, op); break;
    case DIT__GROUP_NORM: unit.flops = 16.0 * op->rows * op->width * op->channels / units; break;
    case DIT__CALL: unit.flops = op->flops; break;
    default: unit.flops = (double)FLOPS_PER_ELEMENT * op->rows * op->width / units;
  }
  return unit;
}

static size_t op_scratch(const dit__engine *engine, const dit__op *op) {
  switch (op->kind) {
    case DIT__PRODUCT: return dit__product_bytes(engine, op);
    case DIT__CONVOLUTION:
      return op->matrix->winograd ? dit__winograd_bytes(engine, op) : dit__convolution_scratch(engine, op);
    case DIT__ATTENTION: return dit__attention_bytes(engine, op);
    case DIT__GROUP_NORM:
      return ((op->sums ? 0 : (size_t)op->height * (size_t)op->groups) +
              (size_t)engine->threads * (size_t)op->channels) *
             2 * sizeof(double);
    default: return 0;
  }
}

static void op_run(const dit__engine *engine, const dit__op *op, int64_t unit) {
  switch (op->kind) {
    case DIT__PRODUCT: dit__product_unit(engine, op, unit); break;
    case DIT__CONVOLUTION:
      if (op->matrix->winograd)
        dit__winograd_unit(engine, op, unit);
      else
        dit__convolution_unit(engine, op, unit);
      break;
    case DIT__ATTENTION: dit__attention_unit(engine, op, unit); break;
    case DIT__GROUP_NORM: group_unit(engine, op, unit); break;
    case DIT__CALL: op->call(op, engine->kernels, unit); break;
    default: row_unit(engine, op, unit); break;
  }
}

void dit__engine_open(dit__engine *engine, const dit_model *model, int32_t threads) {
  memset(engine, 0, sizeof *engine);
  engine->kernels = &model->kernels;
  engine->hooks = &model->options;
  engine->threads = threads > 0 && threads < model->options.threads ? threads : model->options.threads;
  engine->unit_flops = model->unit_flops;
}

void dit__plan_open(dit__plan *plan, const dit__engine *engine, dit__op *ops, uint8_t *workspace) {
  memset(plan, 0, sizeof *plan);
  plan->engine = engine;
  plan->ops = ops;
  dit__arena_open(&plan->arena, workspace);
}

void dit__plan_close(dit__plan *plan) {
  if (!plan->open) return;
  plan->open = 0;
  dit__op *op = plan->ops ? &plan->ops[plan->count - 1] : &plan->one;
  plan->units += op_units(plan->engine, op);
  op->scratch = (uint8_t *)dit__arena_alloc(&plan->arena, op_scratch(plan->engine, op), 1);
  dit__arena_free(&plan->arena, op->scratch);
}

void *dit__plan_alloc(dit__plan *plan, uint64_t count, size_t size) {
  return dit__arena_alloc(&plan->arena, count, size);
}

void dit__plan_resize(dit__plan *plan, const void *block, uint64_t count, size_t size) {
  dit__plan_close(plan);
  dit__arena_resize(&plan->arena, block, count, size);
}

void dit__plan_free(dit__plan *plan, const void *block) {
  dit__plan_close(plan);
  dit__arena_free(&plan->arena, block);
}

dit__op *dit__plan_add(dit__plan *plan, dit__kind kind) {
  dit__plan_close(plan);
  dit__op *op = plan->ops ? &plan->ops[plan->count] : &plan->one;
  plan->count++;
  plan->open = 1;
  memset(op, 0, sizeof *op);
  op->kind = kind;
  return op;
}

int32_t dit__plan_step(dit__plan *plan) {
  if (plan->at >= plan->count) return 0;
  const dit__op *op = &plan->ops[plan->at];
  dit__engine engine = *plan->engine;
  engine.scratch = op->scratch;
  op_run(&engine, op, plan->unit++);
  if (plan->unit >= op_units(&engine, op)) {
    plan->unit = 0;
    plan->at++;
  }
  return plan->at < plan->count;
}
