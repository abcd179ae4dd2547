/* Operations on rows, each of which needs no other: layer norm with modulation, quantizing, affine. */
#include "lib/core/numerics.h"

#include "lib/ops/op.h"

/* ---- Tiling and tasks, the same for all ---- */

static void rows_tile(const dit__engine *engine, dit__op *op, int32_t rows, int32_t width) {
  const double flops = (double)FLOPS_PER_ELEMENT * rows * width;
  op->units = (int64_t)(flops / engine->unit_flops) + 1;
  op->unit_flops = flops / (double)op->units;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

typedef struct rows_run {
  const dit__kernels *kernels;
  const dit__op *op;
  void (*run)(const dit__kernels *kernels, const dit__op *op, int64_t first, int64_t count);
  int64_t first, count;
  int32_t tasks;
} rows_run;

static void DIT_CALL rows_task(void *context, int32_t index) {
  const rows_run *run = (const rows_run *)context;
  int64_t first, count;
  split_range(run->count, run->tasks, index, 1, &first, &count);
  if (count) run->run(run->kernels, run->op, run->first + first, count);
}

static void rows_unit(const dit__engine *engine, const dit__op *op, int64_t unit, int32_t rows, int32_t width,
                      void (*function)(const dit__kernels *, const dit__op *, int64_t, int64_t)) {
  rows_run run = {.kernels = engine->kernels, .op = op, .run = function};
  split_range(rows, (int32_t)op->units, (int32_t)unit, 1, &run.first, &run.count);
  run.tasks = task_count(engine, (double)FLOPS_PER_ELEMENT * (double)run.count * width, max64(run.count, 1));
  dit__parallel(engine, run.tasks, rows_task, &run);
}

/* ---- Layer norm ---- */

/* Sample by sample: each has its own shift and scale. */
static void layer_norm_rows(const dit__kernels *kernels, const dit__op *op, int64_t first, int64_t count) {
  const dit__layer_norm_op *norm = &op->layer_norm;
  const dit__modulation *modulation = &norm->modulation;
  dit__norm_rows rows = {.width = norm->width,
                         .rms = norm->rms,
                         .eps = norm->eps,
                         .base = norm->modulated ? 1.0f : 0.0f,
                         .gamma = norm->modulated ? norm->norm.gamma : NULL,
                         .scale = norm->norm.gamma,
                         .shift = norm->norm.beta,
                         .x_stride = norm->width,
                         .out_stride = norm->width};
  while (count > 0) {
    const int64_t sample = first / norm->rows_per_sample, row = first % norm->rows_per_sample;
    rows.rows = (int32_t)min64(count, norm->rows_per_sample - row);
    rows.x = norm->x + (sample * norm->x_rows + row) * norm->width;
    rows.out = norm->out + first * norm->width;
    if (norm->modulated) {
      rows.shift = modulation->vectors + modulation->index[sample] * modulation->stride;
      rows.scale = rows.shift + norm->width;
    }
    kernels->norm(&rows);
    first += rows.rows;
    count -= rows.rows;
  }
}

void dit__layer_norm_tile(const dit__engine *engine, dit__op *op) {
  rows_tile(engine, op, op->layer_norm.rows, op->layer_norm.width);
}

void dit__layer_norm_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  rows_unit(engine, op, unit, op->layer_norm.rows, op->layer_norm.width, layer_norm_rows);
}

/* ---- Quantizing ---- */

static void quantize_rows(const dit__kernels *kernels, const dit__op *op, int64_t first, int64_t count) {
  const dit__quantize_op *quantize = &op->quantize;
  const int32_t k = quantize->matrix->weights.k;
  const dit__quantized *out = &quantize->out;
  (void)kernels;
  quantize->matrix->qgemm->quantize(quantize->x + first * k, k, (int32_t)count, k, out->q + first * out->stride,
                                    out->stride, out->scale + first, out->low + first);
}

void dit__quantize_tile(const dit__engine *engine, dit__op *op) {
  rows_tile(engine, op, op->quantize.rows, op->quantize.matrix->weights.k);
}

void dit__quantize_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  rows_unit(engine, op, unit, op->quantize.rows, op->quantize.matrix->weights.k, quantize_rows);
}

/* ---- Affine ---- */

static void affine_rows(const dit__kernels *kernels, const dit__op *op, int64_t first, int64_t count) {
  const dit__affine_op *affine = &op->affine;
  kernels->affine(affine->x + first * affine->width, affine->width, (int32_t)count, affine->width, affine->scale,
                  affine->shift, 0, affine->out + first * affine->width);
}

void dit__affine_tile(const dit__engine *engine, dit__op *op) {
  rows_tile(engine, op, op->affine.rows, op->affine.width);
}

void dit__affine_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  rows_unit(engine, op, unit, op->affine.rows, op->affine.width, affine_rows);
}
