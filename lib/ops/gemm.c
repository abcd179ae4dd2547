/* Products: cut into units and tasks.
 *
 * Panels that lie packed (small models) are multiplied in chunks of rows and columns. Other weights are packed by the
 * task that multiplies them, some panels at a time, so that panels never leave its processor's cache; tasks take their
 * panels from shares, and one that is done helps the others. Rows in f32 are packed before, for all columns. Where a
 * unit would be less than a panel for each thread, a unit of its own packs some columns for all chunks of rows. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/ops/tiling.h"
#include "lib/ops/work_queue.h"

enum { PRODUCT_TASK_ROWS = 96 };    /* what a task should have */
enum { PRODUCT_ROWS_LEAST = 256 };  /* for which it pays to pack weights once more, */
enum { PRODUCT_ROWS = 7 << 20 };    /* bytes of rows that do not fit the last cache any more */
enum { PRODUCT_GRAIN = 256 << 10 }; /* bytes of panels that a task packs and multiplies at a time */
enum { PRODUCT_PACKED = 2 << 20 };  /* bytes of panels that a unit packs */

/* ---- Packing ---- */

typedef struct pack_run {
  const dit__kernels *kernels;
  const dit__matrix *matrix;
  uint8_t *panels;
  int32_t column, columns, tasks, nr;
  size_t panel_bytes, rows_bytes;
  uint8_t *rows; /* rows_bytes a task */
} pack_run;

static void DIT_CALL pack_task(void *context, int32_t index) {
  const pack_run *run = (const pack_run *)context;
  int64_t first, count;
  split_range(run->columns, run->tasks, index, run->nr, &first, &count);
  if (!count) return;
  uint8_t *to = run->panels + (size_t)(first / run->nr) * run->panel_bytes;
  const int32_t column = run->column + (int32_t)first;
  int8_t *rows = run->rows_bytes ? (int8_t *)(run->rows + (size_t)index * run->rows_bytes) : NULL;
  dit__pack(run->kernels, run->matrix, column, (int32_t)count, rows, to);
}

void dit__pack_matrix(const dit__engine *engine, const dit__matrix *matrix, int32_t column, int32_t columns, int32_t nr,
                      size_t panel_bytes, uint8_t *panels, uint8_t *rows) {
  const size_t rows_bytes = dit__rows_bytes(matrix, engine->kernels);
  pack_run run = {engine->kernels, matrix, panels, column, columns, 1, nr, panel_bytes, rows_bytes, rows};
  run.tasks = task_count(engine, (double)FLOPS_PER_MOVE * columns * matrix->weights.k, ceil_div(columns, nr));
  dit__parallel(engine, run.tasks, pack_task, &run);
}

/* ---- Panels that are ready ---- */

size_t dit__gemm_task_bytes(void) { return align64((size_t)dit__gemm_scratch() * sizeof(float)); }

/* Makes of a product that of its columns first.. */
static void product_columns(dit__qgemm *p, int64_t first, int64_t count) {
  p->to.columns = (int32_t)count;
  p->to.bias += first;
  p->to.out += first;
  if (p->to.residual) p->to.residual += first;
  if (p->to.gate) p->to.gate += first;
  if (p->weight_scale) p->weight_scale += first;
}

/* Its rows first.., with the panels of its columns. */
static void product_multiply(const dit__gemm_run *run, dit__qgemm *p, const uint8_t *panels, int64_t first,
                             int64_t count, float *scratch) {
  if (run->dot) {
    p->panels = panels;
    run->dot->gemm(p, (int32_t)first, (int32_t)count);
  } else {
    p->to.panels = (const float *)(const void *)panels;
    run->kernels->gemm(&p->to, (int32_t)first, (int32_t)count, scratch);
  }
}

static void DIT_CALL product_task(void *context, int32_t index) {
  const dit__gemm_run *run = (const dit__gemm_run *)context;
  dit__qgemm part = run->product;
  int64_t first = 0, count = run->rows, column = 0, columns = run->columns;
  if (run->by_columns)
    split_range(run->columns, run->tasks, index, run->nr, &column, &columns);
  else
    split_range(run->rows, run->tasks, index, DIT__MR_ALIGN, &first, &count);
  if (!count || !columns) return;
  product_columns(&part, column, columns);
  part.to.partial += column * part.to.partial_rows;
  product_multiply(run, &part, run->panels + (size_t)(column / run->nr) * run->panel_bytes, first, count,
                   (float *)(void *)(run->scratch + (size_t)index * dit__gemm_task_bytes()));
}

void dit__gemm_compute(const dit__engine *engine, dit__gemm_run *run, double k) {
  const int64_t panels = ceil_div(run->columns, run->nr);
  run->by_columns = run->rows < engine->threads * PRODUCT_TASK_ROWS && panels >= engine->threads;
  const int64_t most = run->by_columns ? panels : ceil_div(run->rows, DIT__MR_ALIGN);
  run->tasks = task_count(engine, 2.0 * run->rows * run->columns * k, most);
  dit__parallel(engine, run->tasks, product_task, run);
}

/* ---- How an operation is cut ---- */

typedef struct product_cut {
  int32_t nr, rows, columns, row_chunks, column_chunks; /* of a panel; of a unit; units */
  int32_t grain;                                        /* panels that a task packs and multiplies at a time, or 0 */
  int32_t pack_rows, pack_columns;                      /* 1: units of their own pack rows (of each chunk), columns */
  size_t panel_bytes, rows_bytes;                       /* rows_bytes: of q4 rows on their way, of each task */
  size_t packed_bytes;                                  /* of rows (with grain) or columns (without) */
  size_t panels_bytes, sums_bytes;                      /* of a grain, or sums_bytes of a unit: sums between blocks */
} product_cut;

/* Chunks of `columns` panels each, at most, of all columns; whole numbers of panels for each thread where they can be.
 */
static int64_t product_chunks(const dit__engine *engine, const dit__op *op, product_cut *cut, int64_t most) {
  const int64_t panels = ceil_div(op->matrix->weights.rows, cut->nr), threads = engine->threads;
  int64_t each = ceil_div(panels, ceil_div(panels, max64(most, 1)));
  if (each > threads) each = min64(ceil_div(each, threads) * threads, max64(most / threads, 1) * threads);
  cut->columns = (int32_t)(each * cut->nr);
  cut->column_chunks = (int32_t)ceil_div(panels, each);
  return each;
}

static size_t product_sums(const dit__op *op, int32_t rows, int32_t columns) {
  return op->matrix->weights.k > DIT__KC && !op->matrix->qgemm ? align64((size_t)rows * (size_t)columns * 4) : 0;
}

/* Each task packs what it multiplies: 0 if units, of a panel for each thread, would have too few rows for that. */
static int32_t product_cut_shared(const dit__engine *engine, const dit__op *op, product_cut *cut) {
  const dit__matrix *matrix = op->matrix;
  const int64_t panels = ceil_div(matrix->weights.rows, cut->nr), threads = engine->threads;
  const double unit = engine->unit_flops, panel = (double)matrix->weights.k * cut->nr;
  const int64_t fit = (int64_t)((unit / (double)min64(panels, threads) / panel - FLOPS_PER_MOVE) / 2);
  const int64_t row_bytes = matrix->weights.k * (matrix->qgemm ? 4 / matrix->qgemm->group : 4);
  const int64_t rows = min64(min64(fit, op->rows), max64(PRODUCT_ROWS / row_bytes, PRODUCT_ROWS_LEAST));
  if (rows < min64(op->rows, PRODUCT_ROWS_LEAST)) return 0;
  cut->row_chunks = (int32_t)ceil_div(op->rows, rows);
  cut->rows = (int32_t)ceil_div(op->rows, cut->row_chunks);
  cut->row_chunks = (int32_t)ceil_div(op->rows, cut->rows);
  const int64_t most = (int64_t)(unit / ((2.0 * cut->rows + FLOPS_PER_MOVE) * panel));
  const int64_t share = ceil_div(product_chunks(engine, op, cut, most), threads);
  const int64_t grains = ceil_div(share, max64(1, (int64_t)(PRODUCT_GRAIN / cut->panel_bytes)));
  cut->grain = (int32_t)ceil_div(share, grains);
  cut->panels_bytes = align64(cut->panel_bytes * (size_t)cut->grain);
  cut->sums_bytes = product_sums(op, cut->rows, cut->grain * cut->nr);
  cut->rows_bytes = dit__rows_bytes(matrix, engine->kernels);
  cut->pack_rows = !matrix->qgemm;
  if (cut->pack_rows) cut->packed_bytes = align64((size_t)dit__packed_rows(cut->rows, matrix->weights.k) * 4);
  return 1;
}

/* Panels lie packed, or a unit packs them. */
static void product_cut_chunks(const dit__engine *engine, const dit__op *op, product_cut *cut) {
  const dit__matrix *matrix = op->matrix;
  const int64_t panels = ceil_div(matrix->weights.rows, cut->nr), threads = engine->threads;
  const int64_t least = min64(panels, threads), fit = max64(least, (int64_t)(PRODUCT_PACKED / cut->panel_bytes));
  const double number_flops = 2.0 * (double)matrix->weights.k, panel_flops = number_flops * cut->nr;
  int64_t rows = op->rows, most = (int64_t)(engine->unit_flops / (panel_flops * (double)rows));
  cut->pack_columns = matrix->qgemm ? !matrix->packed_q : !matrix->panels;
  if (cut->pack_columns) {
    most = min64(most, fit);
  } else { /* all columns, if enough rows remain */
    const int64_t whole = (int64_t)(engine->unit_flops / (number_flops * matrix->weights.rows));
    rows = min64(max64(whole, threads * PRODUCT_TASK_ROWS), rows);
    most = (int64_t)(engine->unit_flops / (panel_flops * (double)rows));
  }
  if (most < least) { /* then the rows are cut */
    most = least;
    rows = min64(max64((int64_t)(engine->unit_flops / (panel_flops * (double)most)), 1), rows);
  }
  product_chunks(engine, op, cut, most);
  cut->row_chunks = (int32_t)ceil_div(op->rows, rows);
  cut->rows = (int32_t)ceil_div(op->rows, cut->row_chunks);
  cut->row_chunks = (int32_t)ceil_div(op->rows, cut->rows);
  cut->sums_bytes = product_sums(op, cut->rows, cut->columns);
  if (!cut->pack_columns) return;
  cut->packed_bytes = align64(cut->panel_bytes * (size_t)min64(panels, fit)); /* for any rows */
  cut->rows_bytes = dit__rows_bytes(matrix, engine->kernels);
}

static product_cut product_cut_of(const dit__engine *engine, const dit__op *op) {
  const dit__matrix *matrix = op->matrix;
  product_cut cut;
  memset(&cut, 0, sizeof cut);
  cut.nr = dit__panel_columns(matrix, engine->kernels);
  cut.panel_bytes = dit__panel_bytes(matrix, engine->kernels);
  const int32_t ready = matrix->qgemm ? matrix->packed_q != NULL : matrix->panels != NULL;
  if (ready || !product_cut_shared(engine, op, &cut)) product_cut_chunks(engine, op, &cut);
  return cut;
}

int64_t dit__product_units(const dit__engine *engine, const dit__op *op) {
  const product_cut cut = product_cut_of(engine, op);
  return (int64_t)cut.row_chunks * (cut.column_chunks + cut.pack_rows) + (int64_t)cut.column_chunks * cut.pack_columns;
}

/* Where a unit is. Units that pack come before those that need it: all column chunks of a chunk of rows, or all row
 * chunks of a chunk of columns. */
typedef struct product_place {
  int32_t row, rows, column, columns;
  int32_t packs;
} product_place;

static product_place product_place_of(const dit__op *op, const product_cut *cut, int64_t unit) {
  const int64_t each = cut->grain ? cut->pack_rows + cut->column_chunks : cut->pack_columns + cut->row_chunks;
  const int64_t outer = unit / each, inner = unit % each - (cut->grain ? cut->pack_rows : cut->pack_columns);
  product_place place;
  place.packs = inner < 0;
  place.row = (int32_t)(cut->grain ? outer : max64(inner, 0)) * cut->rows;
  place.column = (int32_t)(cut->grain ? max64(inner, 0) : outer) * cut->columns;
  place.rows = (int32_t)min64(cut->rows, op->rows - place.row);
  place.columns = (int32_t)min64(cut->columns, op->matrix->weights.rows - place.column);
  return place;
}

dit__unit dit__product_next(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const product_cut cut = product_cut_of(engine, op);
  const product_place place = product_place_of(op, &cut, unit);
  const double k = op->matrix->weights.k;
  dit__unit next = {DIT__PRODUCT, 0, 0};
  if (place.packs) {
    next.kind = DIT__PACKING;
    next.flops = FLOPS_PER_MOVE * k * (cut.grain ? place.rows : place.columns);
    return next;
  }
  next.useful = 2.0 * place.rows * place.columns * k;
  next.flops = next.useful + (cut.grain ? FLOPS_PER_MOVE * k * place.columns : 0);
  return next;
}

/* ---- Running ---- */

typedef struct rows_run {
  const dit__kernels *kernels;
  const dit__gemm *product;
  int32_t tasks;
} rows_run;

static void DIT_CALL rows_task(void *context, int32_t index) {
  const rows_run *run = (const rows_run *)context;
  run->kernels->pack_rows(run->product, index, run->tasks);
}

/* A unit whose tasks pack what they multiply. Scratch of a task: a line of its share, panels, their sums, and q4 rows
 * on their way. */
typedef struct grain_run {
  const dit__engine *engine;
  const dit__op *op;
  const product_cut *cut;
  dit__gemm_run product;
  int32_t column;
  dit__work_queue shares; /* of panels; its memory is the scratch */
} grain_run;

static size_t grain_task_bytes(const product_cut *cut) {
  return DIT__WORK_QUEUE_BYTES + cut->panels_bytes + cut->sums_bytes + cut->rows_bytes;
}

/* What task `index` packs next, most likely: more panels of its share, or the first ones of that in the next unit. Not
 * q4, whose rows lie in blocks. */
static dit__prefetch grain_ahead(const grain_run *run, int32_t index, int64_t panel) {
  const dit__weights *w = &run->op->matrix->weights;
  const ptrdiff_t size = (ptrdiff_t)dit__type_size(w->type);
  int64_t first, count;
  split_range(run->shares.total, run->shares.tasks, index, 1, &first, &count);
  if (panel >= first + count) {
    panel = run->shares.total + first;
    count += run->shares.total;
  }
  const int64_t columns = min64(run->cut->grain, first + count - panel) * run->product.nr;
  const int64_t column = run->column + panel * run->product.nr;
  dit__prefetch ahead = {NULL, w->stride * size, w->k * size, 0};
  if (w->type == DIT__Q4 || column >= w->rows) return ahead;
  ahead.row = w->data + column * w->stride * size;
  ahead.rows = (int32_t)min64(columns, w->rows - column);
  return ahead;
}

static void DIT_CALL grain_task(void *context, int32_t index) {
  const grain_run *run = (const grain_run *)context;
  const product_cut *cut = run->cut;
  uint8_t *panels = run->shares.memory + (size_t)index * run->shares.stride + DIT__WORK_QUEUE_BYTES;
  int8_t *rows = (int8_t *)(panels + cut->panels_bytes + cut->sums_bytes);
  int64_t panel, count, packing = 0;
  for (int32_t victim = 0; work_queue_take(&run->shares, index, &victim, &panel, &count);) {
    const int64_t column = panel * cut->nr, start = dit__clock();
    const int64_t columns = min64(count * cut->nr, run->product.columns - column);
    dit__pack(run->product.kernels, run->op->matrix, run->column + (int32_t)column, (int32_t)columns, rows, panels);
    packing += dit__clock() - start;
    dit__qgemm part = run->product.product;
    if (!victim) part.to.next = grain_ahead(run, index, panel + count);
    part.to.partial = (float *)(void *)(panels + cut->panels_bytes);
    product_columns(&part, column, columns);
    product_multiply(&run->product, &part, panels, 0, run->product.rows, NULL);
  }
  if (run->engine->packing) dit__atomic_add(run->engine->packing, (intptr_t)(packing / run->shares.tasks));
}

/* The product of some rows and columns, but for panels and sums. */
static dit__gemm_run product_run_of(const dit__engine *engine, const dit__op *op, const product_cut *cut,
                                    const product_place *place) {
  const dit__matrix *matrix = op->matrix;
  const int32_t row = place->row, column = place->column;
  dit__gemm_run run;
  memset(&run, 0, sizeof run);
  run.kernels = engine->kernels;
  run.dot = matrix->qgemm;
  run.nr = cut->nr;
  run.panel_bytes = cut->panel_bytes;
  run.rows = place->rows;
  run.columns = place->columns;
  dit__gemm *to = &run.product.to;
  to->a = op->x + row * op->x_stride;
  to->row_stride = op->x_stride;
  to->line = place->rows;
  to->taps = 1;
  to->channels = matrix->weights.k;
  to->bias = matrix->bias + column;
  to->out = op->out + row * op->out_stride + column;
  to->out_stride = op->out_stride;
  to->epilogue = op->epilogue;
  if (op->epilogue >= DIT__EPILOGUE_RESIDUAL) to->residual = op->residual + row * op->out_stride + column;
  to->residual_stride = op->out_stride;
  to->rows_per_sample = op->rows_per_sample;
  to->first_row = row;
  if (op->epilogue == DIT__EPILOGUE_GATED) to->gate = op->modulation + column;
  to->gate_rows = op->modulation_index;
  to->gate_stride = op->modulation_stride;
  if (!matrix->qgemm) return run;
  run.product.a = op->quantized.q + row * op->quantized.stride;
  run.product.a_stride = op->quantized.stride;
  run.product.row_scale = op->quantized.scale + row;
  run.product.row_low = op->quantized.low + row;
  run.product.groups = (int32_t)ceil_div(matrix->weights.k, matrix->qgemm->group);
  if (matrix->weights.scale) run.product.weight_scale = matrix->weights.scale + column;
  return run;
}

static void product_unit_shared(const dit__engine *engine, const dit__op *op, const product_cut *cut,
                                const product_place *place) {
  const double k = op->matrix->weights.k;
  grain_run run = {engine, op, cut, product_run_of(engine, op, cut, place), place->column, {0}};
  dit__gemm *to = &run.product.product.to;
  to->packed = cut->pack_rows ? (float *)(void *)engine->scratch : NULL;
  if (place->packs) {
    rows_run rows = {engine->kernels, to, task_count(engine, FLOPS_PER_MOVE * place->rows * k, engine->threads)};
    dit__parallel(engine, rows.tasks, rows_task, &rows);
    return;
  }
  const int64_t panels = ceil_div(place->columns, cut->nr);
  const int32_t tasks = task_count(engine, (2.0 * place->rows + FLOPS_PER_MOVE) * place->columns * k, panels);
  to->partial_rows = place->rows;
  run.shares = work_queue_open(panels, cut->grain, tasks, engine->scratch + cut->packed_bytes, grain_task_bytes(cut));
  dit__parallel(engine, tasks, grain_task, &run);
}

/* Scratch: packed columns, sums, and of each task packed rows; behind them, of each, q4 rows on their way. */
static void product_unit_chunk(const dit__engine *engine, const dit__op *op, const product_cut *cut,
                               const product_place *place) {
  const dit__matrix *matrix = op->matrix;
  uint8_t *sums = engine->scratch + cut->packed_bytes, *scratch = sums + cut->sums_bytes;
  if (place->packs) {
    dit__pack_matrix(engine, matrix, place->column, place->columns, cut->nr, cut->panel_bytes, engine->scratch,
                     scratch + (size_t)engine->threads * dit__gemm_task_bytes());
    return;
  }
  dit__gemm_run run = product_run_of(engine, op, cut, place);
  run.panels = engine->scratch;
  if (!cut->pack_columns) {
    run.panels = matrix->qgemm ? matrix->packed_q : (const uint8_t *)matrix->panels;
    run.panels += (size_t)(place->column / cut->nr) * cut->panel_bytes;
  }
  run.product.to.partial = (float *)(void *)sums;
  run.product.to.partial_rows = cut->rows;
  run.scratch = scratch;
  dit__gemm_compute(engine, &run, matrix->weights.k);
}

size_t dit__product_bytes(const dit__engine *engine, const dit__op *op) {
  const product_cut cut = product_cut_of(engine, op);
  const size_t task = cut.grain ? grain_task_bytes(&cut) : dit__gemm_task_bytes() + cut.rows_bytes;
  return cut.packed_bytes + (cut.grain ? 0 : cut.sums_bytes) + (size_t)engine->threads * task;
}

void dit__product_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const product_cut cut = product_cut_of(engine, op);
  const product_place place = product_place_of(op, &cut, unit);
  (cut.grain ? product_unit_shared : product_unit_chunk)(engine, op, &cut, &place);
}
