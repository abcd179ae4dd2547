/* GEMM: how it is cut into units and tasks.
 *
 * Panels that lie packed (small models) are multiplied in chunks of rows and columns. Other weights are packed by the
 * task that multiplies them, some panels at a time, so that panels never leave its processor's cache: tasks take panels
 * from their own queue, and then from the queues of others (work_queue.h). Rows in f32 are packed before, for all
 * columns. Where a unit would be less than a panel for each thread, a unit of its own packs some columns for all chunks
 * of rows. */
#include "lib/core/numerics.h"
#include "lib/core/atomic.h"

#include <string.h>

#include "lib/ops/gemm.h"
#include "lib/ops/op.h"
#include "lib/ops/work_queue.h"

enum { TASK_ROWS = 96 };             /* rows that a task should have */
enum { MIN_ROWS_PER_PACKING = 256 }; /* rows for which it pays to pack weights once more */
enum { MAX_ROW_BYTES = 7 << 20 };    /* of a chunk: more do not stay in the last cache */
enum { TAKE_BYTES = 256 << 10 };     /* of panels that a task packs and multiplies at a time */
enum { UNIT_PACK_BYTES = 2 << 20 };  /* of panels that a unit packs */

/* ---- Packing ---- */

typedef struct pack_run {
  const dit__kernels *kernels;
  const dit__matrix *matrix;
  uint8_t *panels;
  int32_t column, columns, tasks, nr;
  size_t panel_bytes, q4_bytes;
  uint8_t *q4_rows; /* q4_bytes for each task */
} pack_run;

static void DIT_CALL pack_task(void *context, int32_t index) {
  const pack_run *run = (const pack_run *)context;
  int64_t first, count;
  split_range(run->columns, run->tasks, index, run->nr, &first, &count);
  if (!count) return;
  uint8_t *to = run->panels + (size_t)(first / run->nr) * run->panel_bytes;
  const int32_t column = run->column + (int32_t)first;
  int8_t *rows = run->q4_bytes ? (int8_t *)(run->q4_rows + (size_t)index * run->q4_bytes) : NULL;
  dit__pack(run->kernels, run->matrix, column, (int32_t)count, rows, to);
}

void dit__pack_matrix(const dit__engine *engine, const dit__matrix *matrix, int32_t column, int32_t columns, int32_t nr,
                      size_t panel_bytes, uint8_t *panels, uint8_t *q4_rows) {
  const double work = (double)FLOPS_PER_MOVE * columns * matrix->weights.k;
  pack_run run = {.kernels = engine->kernels,
                  .matrix = matrix,
                  .panels = panels,
                  .column = column,
                  .columns = columns,
                  .tasks = task_count(engine, work, ceil_div(columns, nr)),
                  .nr = nr,
                  .panel_bytes = panel_bytes,
                  .q4_bytes = dit__rows_bytes(matrix, engine->kernels),
                  .q4_rows = q4_rows};
  dit__parallel(engine, run.tasks, pack_task, &run);
}

/* ---- Multiplying by panels that are ready ---- */

size_t dit__gemm_task_bytes(void) { return align64((size_t)dit__gemm_scratch() * sizeof(float)); }

/* Narrows the arguments to columns first .. first + count - 1. */
static void gemm_select_columns(dit__qgemm *p, int64_t first, int64_t count) {
  p->to.columns = (int32_t)count;
  p->to.bias += first;
  p->to.out += first;
  if (p->to.residual) p->to.residual += first;
  if (p->to.gate) p->to.gate += first;
  if (p->weight_scale) p->weight_scale += first;
}

/* Multiplies rows first .. first + count - 1 by the panels of the arguments' columns. */
static void gemm_multiply(const dit__gemm_run *run, dit__qgemm *p, const uint8_t *panels, int64_t first, int64_t count,
                          float *scratch) {
  if (run->qgemm) {
    p->panels = panels;
    run->qgemm->gemm(p, (int32_t)first, (int32_t)count);
  } else {
    p->to.panels = (const float *)(const void *)panels;
    run->kernels->gemm(&p->to, (int32_t)first, (int32_t)count, scratch);
  }
}

static void DIT_CALL gemm_task(void *context, int32_t index) {
  const dit__gemm_run *run = (const dit__gemm_run *)context;
  dit__qgemm part = run->arguments;
  int64_t first = 0, count = run->rows, column = 0, columns = run->columns;
  if (run->by_columns)
    split_range(run->columns, run->tasks, index, run->nr, &column, &columns);
  else
    split_range(run->rows, run->tasks, index, DIT__MR_ALIGN, &first, &count);
  if (!count || !columns) return;
  gemm_select_columns(&part, column, columns);
  part.to.partial += column * part.to.partial_rows;
  gemm_multiply(run, &part, run->panels + (size_t)(column / run->nr) * run->panel_bytes, first, count,
                (float *)(void *)(run->scratch + (size_t)index * dit__gemm_task_bytes()));
}

void dit__gemm_compute(const dit__engine *engine, dit__gemm_run *run, double k) {
  const int64_t panels = ceil_div(run->columns, run->nr);
  run->by_columns = run->rows < engine->threads * TASK_ROWS && panels >= engine->threads;
  const int64_t max = run->by_columns ? panels : ceil_div(run->rows, DIT__MR_ALIGN);
  run->tasks = task_count(engine, 2.0 * run->rows * run->columns * k, max);
  dit__parallel(engine, run->tasks, gemm_task, run);
}

/* ---- Tiling ---- */

/* Cuts all columns into chunks of at most max_panels panels, whole multiples of the threads where they can be; returns
 * the panels of a chunk. */
static int64_t tile_columns(const dit__engine *engine, const dit__matrix *matrix, int64_t max_panels,
                            dit__gemm_tiling *t) {
  const int64_t panels = ceil_div(matrix->weights.rows, t->nr), threads = engine->threads;
  int64_t each = ceil_div(panels, ceil_div(panels, max64(max_panels, 1)));
  if (each > threads) each = min64(ceil_div(each, threads) * threads, max64(max_panels / threads, 1) * threads);
  t->columns = (int32_t)(each * t->nr);
  t->column_chunks = (int32_t)ceil_div(panels, each);
  return each;
}

/* Cuts `all` rows into chunks of about equal size, of at most max_rows. */
static void tile_rows(int32_t all, int64_t max_rows, dit__gemm_tiling *t) {
  t->row_chunks = (int32_t)ceil_div(all, max_rows);
  t->rows = (int32_t)ceil_div(all, t->row_chunks);
  t->row_chunks = (int32_t)ceil_div(all, t->rows);
}

/* Sums that are kept between blocks of k. */
static size_t partial_bytes(const dit__matrix *matrix, int32_t rows, int32_t columns) {
  return matrix->weights.k > DIT__KC && !matrix->qgemm ? align64((size_t)rows * (size_t)columns * 4) : 0;
}

/* Each task packs what it multiplies; returns 0 if units of a panel for each thread would have too few rows for that. */
static int32_t tile_with_queues(const dit__engine *engine, const dit__gemm_op *op, dit__gemm_tiling *t) {
  const dit__matrix *matrix = op->matrix;
  const int64_t panels = ceil_div(matrix->weights.rows, t->nr), threads = engine->threads;
  const double unit = engine->unit_flops, panel = (double)matrix->weights.k * t->nr;
  const int64_t fit = (int64_t)((unit / (double)min64(panels, threads) / panel - FLOPS_PER_MOVE) / 2);
  const int64_t row_bytes = matrix->weights.k * (matrix->qgemm ? 4 / matrix->qgemm->group : 4);
  const int64_t rows = min64(min64(fit, op->rows), max64(MAX_ROW_BYTES / row_bytes, MIN_ROWS_PER_PACKING));
  if (rows < min64(op->rows, MIN_ROWS_PER_PACKING)) return 0;
  tile_rows(op->rows, rows, t);
  const int64_t max_panels = (int64_t)(unit / ((2.0 * t->rows + FLOPS_PER_MOVE) * panel));
  const int64_t share = ceil_div(tile_columns(engine, matrix, max_panels, t), threads);
  const int64_t takes = ceil_div(share, max64(1, (int64_t)(TAKE_BYTES / t->panel_bytes)));
  t->panels_per_take = (int32_t)ceil_div(share, takes);
  t->panels_bytes = align64(t->panel_bytes * (size_t)t->panels_per_take);
  t->partial_bytes = partial_bytes(matrix, t->rows, t->panels_per_take * t->nr);
  t->q4_bytes = dit__rows_bytes(matrix, engine->kernels);
  t->pack_rows = !matrix->qgemm;
  if (t->pack_rows) t->packed_bytes = align64((size_t)dit__packed_rows(t->rows, matrix->weights.k) * 4);
  return 1;
}

/* Panels lie packed, or a unit packs them. */
static void tile_in_chunks(const dit__engine *engine, const dit__gemm_op *op, int32_t packed, dit__gemm_tiling *t) {
  const dit__matrix *matrix = op->matrix;
  const int64_t panels = ceil_div(matrix->weights.rows, t->nr), threads = engine->threads;
  const int64_t min_panels = min64(panels, threads);
  const int64_t fit = max64(min_panels, (int64_t)(UNIT_PACK_BYTES / t->panel_bytes));
  const double unit = engine->unit_flops, column_flops = 2.0 * (double)matrix->weights.k;
  const double panel_flops = column_flops * t->nr;
  int64_t rows = op->rows, max_panels = (int64_t)(unit / (panel_flops * (double)rows));
  t->pack_columns = !packed;
  if (t->pack_columns) {
    max_panels = min64(max_panels, fit);
  } else { /* all columns, if enough rows remain */
    const int64_t whole = (int64_t)(unit / (column_flops * matrix->weights.rows));
    rows = min64(max64(whole, threads * TASK_ROWS), rows);
    max_panels = (int64_t)(unit / (panel_flops * (double)rows));
  }
  if (max_panels < min_panels) { /* then fewer rows at a time */
    max_panels = min_panels;
    rows = min64(max64((int64_t)(unit / (panel_flops * (double)max_panels)), 1), rows);
  }
  tile_columns(engine, matrix, max_panels, t);
  tile_rows(op->rows, rows, t);
  t->partial_bytes = partial_bytes(matrix, t->rows, t->columns);
  if (!t->pack_columns) return;
  t->packed_bytes = align64(t->panel_bytes * (size_t)min64(panels, fit)); /* for any number of rows */
  t->q4_bytes = dit__rows_bytes(matrix, engine->kernels);
}

/* A task's scratch: its queue, the panels that it took, their partial sums, and unpacked q4 rows. */
static size_t queue_task_bytes(const dit__gemm_tiling *t) {
  return DIT__WORK_QUEUE_BYTES + t->panels_bytes + t->partial_bytes + t->q4_bytes;
}

void dit__gemm_tile(const dit__engine *engine, dit__op *op) {
  dit__gemm_op *gemm = &op->gemm;
  const dit__matrix *matrix = gemm->matrix;
  dit__gemm_tiling *t = &gemm->tiling;
  memset(t, 0, sizeof *t);
  t->nr = dit__panel_columns(matrix, engine->kernels);
  t->panel_bytes = dit__panel_bytes(matrix, engine->kernels);
  const int32_t packed = matrix->qgemm ? matrix->packed_q != NULL : matrix->panels != NULL;
  if (packed || !tile_with_queues(engine, gemm, t)) tile_in_chunks(engine, gemm, packed, t);
  op->units = (int64_t)t->row_chunks * (t->column_chunks + t->pack_rows) + (int64_t)t->column_chunks * t->pack_columns;
  op->useful_flops = 2.0 * gemm->rows * (double)matrix->weights.k * matrix->weights.rows;
  const size_t task = t->panels_per_take ? queue_task_bytes(t) : dit__gemm_task_bytes() + t->q4_bytes;
  op->scratch_bytes = t->packed_bytes + (t->panels_per_take ? 0 : t->partial_bytes) + (size_t)engine->threads * task;
}

/* The part of the result that a unit makes. Units that pack come before those that need it: all column chunks of a chunk
 * of rows, or all row chunks of a chunk of columns. */
typedef struct gemm_block {
  int32_t row, rows, column, columns;
  int32_t packs;
} gemm_block;

static gemm_block gemm_block_of(const dit__gemm_op *op, int64_t unit) {
  const dit__gemm_tiling *t = &op->tiling;
  const int64_t each = t->panels_per_take ? t->pack_rows + t->column_chunks : t->pack_columns + t->row_chunks;
  const int64_t outer = unit / each, inner = unit % each - (t->panels_per_take ? t->pack_rows : t->pack_columns);
  gemm_block block;
  block.packs = inner < 0;
  block.row = (int32_t)(t->panels_per_take ? outer : max64(inner, 0)) * t->rows;
  block.column = (int32_t)(t->panels_per_take ? max64(inner, 0) : outer) * t->columns;
  block.rows = (int32_t)min64(t->rows, op->rows - block.row);
  block.columns = (int32_t)min64(t->columns, op->matrix->weights.rows - block.column);
  return block;
}

dit__unit dit__gemm_unit_size(const dit__op *op, int64_t unit) {
  const dit__gemm_tiling *t = &op->gemm.tiling;
  const gemm_block block = gemm_block_of(&op->gemm, unit);
  const double k = op->gemm.matrix->weights.k;
  dit__unit next = {DIT__OP_GEMM, 0, 0};
  if (block.packs) {
    next.kind = DIT__UNIT_PACKING;
    next.flops = FLOPS_PER_MOVE * k * (t->panels_per_take ? block.rows : block.columns);
    return next;
  }
  next.useful = 2.0 * block.rows * block.columns * k;
  next.flops = next.useful + (t->panels_per_take ? FLOPS_PER_MOVE * k * block.columns : 0);
  return next;
}

/* ---- Running ---- */

/* The GEMM of a block, except for panels and partial sums. */
static dit__gemm_run gemm_run_of(const dit__engine *engine, const dit__gemm_op *op, const gemm_block *block) {
  const dit__matrix *matrix = op->matrix;
  const int32_t row = block->row, column = block->column;
  dit__gemm_run run;
  memset(&run, 0, sizeof run);
  run.kernels = engine->kernels;
  run.qgemm = matrix->qgemm;
  run.nr = op->tiling.nr;
  run.panel_bytes = op->tiling.panel_bytes;
  run.rows = block->rows;
  run.columns = block->columns;
  dit__gemm *to = &run.arguments.to;
  to->a = op->x + row * op->x_stride;
  to->row_stride = op->x_stride;
  to->line = block->rows;
  to->taps = 1;
  to->channels = matrix->weights.k;
  to->bias = matrix->bias + column;
  to->out = op->out + row * op->out_stride + column;
  to->out_stride = op->out_stride;
  to->epilogue = op->epilogue;
  if (op->residual) to->residual = op->residual + row * op->out_stride + column;
  to->residual_stride = op->out_stride;
  to->rows_per_sample = op->gate.rows_per_sample;
  to->first_row = row;
  if (op->epilogue == DIT__EPILOGUE_GATED) to->gate = op->gate.vectors + column;
  to->gate_rows = op->gate.index;
  to->gate_stride = op->gate.stride;
  if (!matrix->qgemm) return run;
  run.arguments.a = op->quantized.q + row * op->quantized.stride;
  run.arguments.a_stride = op->quantized.stride;
  run.arguments.row_scale = op->quantized.scale + row;
  run.arguments.row_low = op->quantized.low + row;
  run.arguments.groups = (int32_t)ceil_div(matrix->weights.k, matrix->qgemm->group);
  if (matrix->weights.scale) run.arguments.weight_scale = matrix->weights.scale + column;
  return run;
}

typedef struct pack_rows_run {
  const dit__kernels *kernels;
  const dit__gemm *gemm;
  int32_t tasks;
} pack_rows_run;

static void DIT_CALL pack_rows_task(void *context, int32_t index) {
  const pack_rows_run *run = (const pack_rows_run *)context;
  run->kernels->pack_rows(run->gemm, index, run->tasks);
}

/* A unit whose tasks take panels from queues, pack them and multiply them. */
typedef struct queue_run {
  const dit__engine *engine;
  const dit__gemm_op *op;
  dit__gemm_run gemm;
  int32_t column;
  dit__work_queue queue; /* of panels; its memory is the tasks' scratch */
} queue_run;

/* What task `index` packs next, most likely: more panels of its own queue, or the first ones of that in the next unit.
 * Nothing for q4, whose rows lie in blocks. */
static dit__prefetch queue_prefetch(const queue_run *run, int32_t index, int64_t panel) {
  const dit__weights *w = &run->op->matrix->weights;
  const ptrdiff_t size = (ptrdiff_t)dit__type_size(w->type);
  int64_t first, count;
  split_range(run->queue.total, run->queue.tasks, index, 1, &first, &count);
  if (panel >= first + count) {
    panel = run->queue.total + first;
    count += run->queue.total;
  }
  const int64_t columns = min64(run->op->tiling.panels_per_take, first + count - panel) * run->gemm.nr;
  const int64_t column = run->column + panel * run->gemm.nr;
  dit__prefetch next = {NULL, w->stride * size, w->k * size, 0};
  if (w->type == DIT__Q4 || column >= w->rows) return next;
  next.row = w->data + column * w->stride * size;
  next.rows = (int32_t)min64(columns, w->rows - column);
  return next;
}

static void DIT_CALL queue_task(void *context, int32_t index) {
  const queue_run *run = (const queue_run *)context;
  const dit__gemm_tiling *t = &run->op->tiling;
  uint8_t *panels = run->queue.memory + (size_t)index * run->queue.stride + DIT__WORK_QUEUE_BYTES;
  int8_t *q4_rows = (int8_t *)(panels + t->panels_bytes + t->partial_bytes);
  int64_t panel, count, packing = 0;
  for (int32_t victim = 0; work_queue_take(&run->queue, index, &victim, &panel, &count);) {
    const int64_t column = panel * t->nr, start = dit__clock();
    const int64_t columns = min64(count * t->nr, run->gemm.columns - column);
    dit__pack(run->gemm.kernels, run->op->matrix, run->column + (int32_t)column, (int32_t)columns, q4_rows, panels);
    packing += dit__clock() - start;
    dit__qgemm part = run->gemm.arguments;
    if (!victim) part.to.next = queue_prefetch(run, index, panel + count);
    part.to.partial = (float *)(void *)(panels + t->panels_bytes);
    gemm_select_columns(&part, column, columns);
    gemm_multiply(&run->gemm, &part, panels, 0, run->gemm.rows, NULL);
  }
  if (run->engine->packing_clock) dit__atomic_add(run->engine->packing_clock, (intptr_t)(packing / run->queue.tasks));
}

static void gemm_unit_with_queues(const dit__engine *engine, const dit__op *op, const gemm_block *block) {
  const dit__gemm_tiling *t = &op->gemm.tiling;
  const double k = op->gemm.matrix->weights.k;
  queue_run run = {
      .engine = engine, .op = &op->gemm, .gemm = gemm_run_of(engine, &op->gemm, block), .column = block->column};
  dit__gemm *to = &run.gemm.arguments.to;
  to->packed = t->pack_rows ? (float *)(void *)op->scratch : NULL;
  if (block->packs) {
    pack_rows_run rows = {engine->kernels, to, task_count(engine, FLOPS_PER_MOVE * block->rows * k, engine->threads)};
    dit__parallel(engine, rows.tasks, pack_rows_task, &rows);
    return;
  }
  const int64_t panels = ceil_div(block->columns, t->nr);
  const int32_t tasks = task_count(engine, (2.0 * block->rows + FLOPS_PER_MOVE) * block->columns * k, panels);
  to->partial_rows = block->rows;
  run.queue = work_queue_open(panels, t->panels_per_take, tasks, op->scratch + t->packed_bytes, queue_task_bytes(t));
  dit__parallel(engine, tasks, queue_task, &run);
}

/* Scratch: packed columns, partial sums, packed rows of each task, and unpacked q4 rows of each task. */
static void gemm_unit_in_chunks(const dit__engine *engine, const dit__op *op, const gemm_block *block) {
  const dit__gemm_tiling *t = &op->gemm.tiling;
  const dit__matrix *matrix = op->gemm.matrix;
  uint8_t *partial = op->scratch + t->packed_bytes, *scratch = partial + t->partial_bytes;
  if (block->packs) {
    dit__pack_matrix(engine, matrix, block->column, block->columns, t->nr, t->panel_bytes, op->scratch,
                     scratch + (size_t)engine->threads * dit__gemm_task_bytes());
    return;
  }
  dit__gemm_run run = gemm_run_of(engine, &op->gemm, block);
  run.panels = op->scratch;
  if (!t->pack_columns) {
    run.panels = matrix->qgemm ? matrix->packed_q : (const uint8_t *)matrix->panels;
    run.panels += (size_t)(block->column / t->nr) * t->panel_bytes;
  }
  run.arguments.to.partial = (float *)(void *)partial;
  run.arguments.to.partial_rows = t->rows;
  run.scratch = scratch;
  dit__gemm_compute(engine, &run, matrix->weights.k);
}

void dit__gemm_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const gemm_block block = gemm_block_of(&op->gemm, unit);
  (op->gemm.tiling.panels_per_take ? gemm_unit_with_queues : gemm_unit_in_chunks)(engine, op, &block);
}
