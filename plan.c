/* Operations become kernel calls: cut into units and tasks. */
#include "numerics.h"

#include <math.h>
#include <string.h>

#include "cut.h"
#include "q4.h"

enum { PLAN_TASK_ROWS = 96, PLAN_QUERIES = 24 }; /* what a task should have: rows of a product; queries, in multiples */
enum { PLAN_KEPT_ROWS = 2048 }; /* rows that are kept packed for all columns; beside more, packing weights is little */
enum { PLAN_PACKED = 2 << 20, PLAN_HEADS = 8 << 20 }; /* bytes of scratch aimed at */

/* ---- Products ---- */

size_t dit__panel_bytes(const dit__matrix *matrix, const dit__kernels *kernels) {
  const size_t k = (size_t)matrix->weights.k;
  if (matrix->winograd) return (size_t)dit__winograd_panel(matrix->weights.k / 9, kernels->nr) * sizeof(float);
  if (!matrix->dot) return k * (size_t)kernels->nr * sizeof(float);
  const size_t group = (size_t)matrix->dot->group, groups = (k + group - 1) / group;
  return (groups + 1) * (size_t)matrix->dot->nr * 4;
}

static int32_t panel_columns(const dit__matrix *matrix, const dit__kernels *kernels) {
  return matrix->dot ? matrix->dot->nr : kernels->nr;
}

size_t dit__rows_bytes(const dit__matrix *matrix, const dit__kernels *kernels) {
  if (matrix->weights.type != DIT__Q4) return 0;
  return plan_round((size_t)panel_columns(matrix, kernels) * (size_t)matrix->weights.k);
}

static void pack_panels(const dit__kernels *kernels, const dit__matrix *matrix, const dit__weights *weights,
                        int32_t first, int32_t count, uint8_t *panels) {
  if (matrix->dot)
    matrix->dot->pack(weights, first, count, panels);
  else
    (matrix->winograd ? kernels->winograd_pack : kernels->pack)(weights, first, count, (float *)(void *)panels);
}

void dit__pack(const dit__kernels *kernels, const dit__matrix *matrix, int32_t first, int32_t count, int8_t *rows,
               uint8_t *panels) {
  const dit__weights *w = &matrix->weights;
  if (w->type != DIT__Q4) {
    pack_panels(kernels, matrix, w, first, count, panels);
    return;
  }
  const int32_t nr = panel_columns(matrix, kernels), end = first + count;
  for (; first < end; first += nr, panels += dit__panel_bytes(matrix, kernels)) {
    const int32_t part = (int32_t)plan_least(nr, end - first);
    const dit__weights whole = {(const uint8_t *)rows, w->scale + first, w->k, DIT__I8, part, w->k, 1, NULL};
    dit__q4_rows(w, first, part, rows);
    pack_panels(kernels, matrix, &whole, 0, part, panels);
  }
}

/* How a product is cut. Where panels lie packed: chunks of rows and of columns. Elsewhere: chunks of columns, each in
 * a unit that packs its panels and in chunks of rows; one chunk of rows is packed before all in a unit of its own. Then
 * the task that packs columns multiplies them, and panels never move from one processor's cache to another's. */
typedef struct plan_cut {
  int32_t nr, columns, rows, column_chunks, pack_rows, pack_units, row_chunks, by_columns;
  size_t panel_bytes, pack_bytes, partial_bytes, kept_bytes, rows_bytes; /* rows_bytes: of each task */
} plan_cut;

static plan_cut product_cut(const dit__engine *engine, const dit__op *op) {
  const dit__matrix *matrix = op->matrix;
  const int64_t k = matrix->weights.k;
  plan_cut cut;
  memset(&cut, 0, sizeof cut);
  cut.nr = panel_columns(matrix, engine->kernels);
  cut.panel_bytes = dit__panel_bytes(matrix, engine->kernels);
  cut.pack_units = matrix->dot ? !matrix->narrow : !matrix->panels;
  const int64_t panels = plan_ceil(matrix->weights.rows, cut.nr), threads = engine->threads;
  const int64_t least = plan_least(panels, threads), fit = plan_most(least, (int64_t)(PLAN_PACKED / cut.panel_bytes));
  const double number_flops = 2.0 * (double)k, panel_flops = number_flops * cut.nr;
  int64_t rows = op->rows, most = (int64_t)(engine->unit_flops / (panel_flops * (double)rows));
  if (!cut.pack_units) { /* all columns, if enough rows remain */
    const int64_t whole = (int64_t)(engine->unit_flops / (number_flops * matrix->weights.rows));
    rows = plan_least(plan_most(whole, threads * PLAN_TASK_ROWS), rows);
    most = (int64_t)(engine->unit_flops / (panel_flops * (double)rows));
  } else {
    most = plan_least(most, fit);
  }
  if (most < least) { /* then the rows are cut */
    most = least;
    rows = plan_least(plan_most((int64_t)(engine->unit_flops / (panel_flops * (double)most)), 1), rows);
  }
  int64_t each = plan_ceil(panels, plan_ceil(panels, plan_most(most, 1)));
  if (each > threads) each = each / threads * threads;
  cut.columns = (int32_t)(each * cut.nr);
  cut.column_chunks = (int32_t)plan_ceil(panels, each);
  cut.row_chunks = (int32_t)plan_ceil(op->rows, rows);
  cut.rows = (int32_t)plan_ceil(op->rows, cut.row_chunks);
  if (cut.pack_units) {
    cut.pack_bytes = plan_round(cut.panel_bytes * (size_t)plan_least(panels, fit)); /* for any rows */
    cut.rows_bytes = dit__rows_bytes(matrix, engine->kernels);
  }
  if (k > DIT__BLOCK && !matrix->dot) cut.partial_bytes = plan_round((size_t)cut.rows * (size_t)cut.columns * 4);
  const size_t kept = plan_round((size_t)dit__packed_rows(op->rows, (int32_t)k) * 4);
  if (!matrix->dot && cut.pack_units && panels >= threads && cut.row_chunks == 1 && op->rows <= PLAN_KEPT_ROWS &&
      (double)PLAN_MOVED * op->rows * (double)k <= engine->unit_flops)
    cut.kept_bytes = kept;
  cut.pack_rows = cut.kept_bytes > 0;
  cut.by_columns = cut.pack_rows || (cut.pack_units && matrix->dot && panels >= threads);
  return cut;
}

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
  plan_share(run->columns, run->tasks, index, run->nr, &first, &count);
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
  run.tasks = plan_tasks(engine, (double)PLAN_MOVED * columns * matrix->weights.k, plan_ceil(columns, nr));
  dit__parallel(engine, run.tasks, pack_task, &run);
}

typedef struct rows_run {
  const dit__kernels *kernels;
  dit__product product;
  int32_t tasks;
} rows_run;

static void DIT_CALL rows_task(void *context, int32_t index) {
  const rows_run *run = (const rows_run *)context;
  run->kernels->pack_rows(&run->product, index, run->tasks);
}

size_t dit__product_task_bytes(void) { return plan_round((size_t)dit__product_scratch() * sizeof(float)); }

/* The weights that task `index` packs after this chunk. */
static dit__ahead product_next(const dit__product_run *run, int32_t index) {
  const dit__weights *w = run->next.weights;
  const ptrdiff_t size = (ptrdiff_t)dit__type_size(w->type);
  int64_t first, count;
  plan_share(run->next.columns, run->tasks, index, run->next.nr, &first, &count);
  const dit__ahead ahead = {w->data + (run->next.first + first) * w->stride * size, w->stride * size, w->k * size,
                            (int32_t)count};
  return ahead;
}

static void DIT_CALL product_task(void *context, int32_t index) {
  const dit__product_run *run = (const dit__product_run *)context;
  dit__product_dot part = run->product;
  int64_t first = 0, count = run->rows, column = 0, columns = run->columns;
  if (run->by_columns)
    plan_share(run->columns, run->tasks, index, run->nr, &column, &columns);
  else
    plan_share(run->rows, run->tasks, index, DIT__ROWS_GRAIN, &first, &count);
  if (!count || !columns) return;
  if (run->next.weights) part.to.next = product_next(run, index);
  const uint8_t *panels = run->panels + (size_t)(column / run->nr) * run->panel_bytes;
  part.to.columns = (int32_t)columns;
  part.to.bias += column;
  part.to.out += column;
  part.to.partial += column * part.to.partial_rows;
  if (part.to.residual) part.to.residual += column;
  if (part.to.gate) part.to.gate += column;
  if (run->dot) {
    part.panels = panels;
    if (part.weight_scale) part.weight_scale += column;
    run->dot->product(&part, (int32_t)first, (int32_t)count);
  } else {
    part.to.panels = (const float *)(const void *)panels;
    float *scratch = (float *)(void *)(run->scratch + (size_t)index * dit__product_task_bytes());
    run->kernels->product(&part.to, (int32_t)first, (int32_t)count, scratch);
  }
}

void dit__product_compute(const dit__engine *engine, dit__product_run *run, double k) {
  const int64_t panels = plan_ceil(run->columns, run->nr);
  if (run->rows < engine->threads * PLAN_TASK_ROWS && panels >= engine->threads) run->by_columns = 1;
  const int64_t most = run->by_columns ? panels : plan_ceil(run->rows, DIT__ROWS_GRAIN);
  run->tasks = plan_tasks(engine, 2.0 * run->rows * run->columns * k, most);
  dit__parallel(engine, run->tasks, product_task, run);
}

/* But for rows on their way, which lie behind. */
static size_t product_scratch(const dit__engine *engine, const plan_cut *cut) {
  return cut->pack_bytes + cut->partial_bytes + cut->kept_bytes + (size_t)engine->threads * dit__product_task_bytes();
}

/* Rows of a, as they lie. */
static dit__product product_rows(const dit__op *op, int32_t row, int32_t rows, float *packed) {
  dit__product p;
  memset(&p, 0, sizeof p);
  p.a = op->x + row * op->x_stride;
  p.row_stride = op->x_stride;
  p.line = rows;
  p.taps = 1;
  p.channels = op->matrix->weights.k;
  p.packed = packed;
  return p;
}

/* What is packed next: columns from `first` on, or the first ones of the next product. Not q4, whose rows lie in
 * blocks. */
static void product_prepare(const dit__engine *engine, const dit__op *op, const plan_cut *cut, int32_t first,
                            dit__product_run *run) {
  plan_cut following;
  if (first >= op->matrix->weights.rows) {
    op = engine->next_product;
    if (!op) return;
    following = product_cut(engine, op);
    cut = &following;
    first = 0;
  }
  if (!cut->pack_units || op->matrix->weights.type == DIT__Q4) return;
  run->next.weights = &op->matrix->weights;
  run->next.first = first;
  run->next.columns = (int32_t)plan_least(cut->columns, op->matrix->weights.rows - first);
  run->next.nr = cut->nr;
}

static void product_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const plan_cut cut = product_cut(engine, op);
  const dit__matrix *matrix = op->matrix;
  float *packed = cut.kept_bytes ? (float *)(void *)(engine->scratch + cut.pack_bytes + cut.partial_bytes) : NULL;
  unit -= cut.pack_rows;
  if (unit < 0) {
    rows_run run = {engine->kernels, product_rows(op, 0, op->rows, packed), 1};
    run.tasks = plan_tasks(engine, (double)PLAN_MOVED * op->rows * matrix->weights.k, engine->threads);
    dit__parallel(engine, run.tasks, rows_task, &run);
    return;
  }
  const int64_t each = cut.pack_units + cut.row_chunks, chunk = unit % each - cut.pack_units;
  const int32_t column = (int32_t)(unit / each) * cut.columns, row = (int32_t)chunk * cut.rows;
  const int32_t columns = (int32_t)plan_least(cut.columns, matrix->weights.rows - column);
  const int32_t rows = (int32_t)plan_least(cut.rows, op->rows - row);
  const uint8_t *panels = engine->scratch;
  if (chunk < 0) {
    dit__pack_matrix(engine, matrix, column, columns, cut.nr, cut.panel_bytes, engine->scratch,
                     engine->scratch + product_scratch(engine, &cut));
    return;
  }
  if (!cut.pack_units) {
    panels = matrix->dot ? matrix->narrow : (const uint8_t *)matrix->panels;
    panels += (size_t)(column / cut.nr) * cut.panel_bytes;
  }
  if (rows <= 0) return;
  dit__product_run run;
  memset(&run, 0, sizeof run);
  run.kernels = engine->kernels;
  run.panels = panels;
  run.panel_bytes = cut.panel_bytes;
  run.dot = matrix->dot;
  run.nr = cut.nr;
  run.rows = rows;
  run.columns = columns;
  run.by_columns = cut.by_columns;
  if (cut.pack_units && chunk == cut.row_chunks - 1) product_prepare(engine, op, &cut, column + columns, &run);
  run.product.to = product_rows(op, row, rows, packed);
  dit__product *to = &run.product.to;
  to->bias = matrix->bias + column;
  to->out = op->out + row * op->out_stride + column;
  to->out_stride = op->out_stride;
  to->partial = (float *)(void *)(engine->scratch + cut.pack_bytes);
  to->partial_rows = cut.rows;
  to->finish = op->finish;
  if (op->finish >= DIT__RESIDUAL) to->residual = op->residual + row * op->out_stride + column;
  to->residual_stride = op->out_stride;
  to->rows_per_sample = op->rows_per_sample;
  to->first_row = row;
  run.scratch = engine->scratch + cut.pack_bytes + cut.partial_bytes + cut.kept_bytes;
  if (op->finish == DIT__GATED) to->gate = op->modulation + column;
  to->gate_rows = op->modulation_rows;
  to->gate_stride = op->modulation_stride;
  if (matrix->dot) {
    run.product.a = op->quantized.q + row * op->quantized.stride;
    run.product.a_stride = op->quantized.stride;
    run.product.row_scale = op->quantized.scale + row;
    run.product.row_low = op->quantized.low + row;
    run.product.groups = (int32_t)plan_ceil(matrix->weights.k, matrix->dot->group);
    if (matrix->weights.scale) run.product.weight_scale = matrix->weights.scale + column;
  }
  dit__product_compute(engine, &run, matrix->weights.k);
}

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
    const int64_t part = plan_least(count, (sample + 1) * op->rows_per_sample - first);
    const float *shift = op->modulation + op->modulation_rows[sample] * op->modulation_stride;
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
  plan_share(run->count, run->tasks, index, 1, &first, &count);
  first += run->first;
  if (!count) return;
  const float *x = op->x + first * op->x_stride;
  if (op->kind == DIT__NORM) {
    norm_rows(run->kernels, op, first, count);
  } else if (op->kind == DIT__QUANTIZE) {
    op->matrix->dot->narrow(x, op->x_stride, (int32_t)count, op->width, op->quantized.q + first * op->quantized.stride,
                            op->quantized.stride, op->quantized.scale + first, op->quantized.low + first);
  } else {
    run->kernels->affine(x, op->x_stride, (int32_t)count, op->width, op->scale, op->shift, op->silu,
                         op->out + first * op->out_stride);
  }
}

enum { PLAN_ROW_FLOPS = 32 }; /* what a number of a row costs, in flops of a product */

static int64_t row_units(const dit__engine *engine, const dit__op *op) {
  return (int64_t)((double)op->rows * op->width * PLAN_ROW_FLOPS / engine->unit_flops) + 1;
}

static void row_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  row_run run = {engine->kernels, op, 0, 0, 1};
  plan_share(op->rows, (int32_t)row_units(engine, op), (int32_t)unit, 1, &run.first, &run.count);
  run.tasks = plan_tasks(engine, (double)run.count * op->width * PLAN_ROW_FLOPS, plan_most(run.count, 1));
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
  plan_share(run->count, run->tasks, index, 1, &first, &count);
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
  plan_share(op->rows, (int32_t)units, (int32_t)unit, 1, &run.first, &run.count);
  run.tasks = plan_tasks(engine, 16.0 * (double)run.count * op->width * op->channels, plan_most(run.count, 1));
  dit__parallel(engine, run.tasks, group_task, &run);
  if (unit == units - 1 && op->first_row + op->rows == op->height) group_finish(op, run.sums);
}

/* ---- Attention ---- */

/* Heads go in groups whose keys and values are packed together, in units of their own; a head that is too long goes in
 * chunks of queries. */
typedef struct head_cut {
  int64_t heads, queries, head_groups, pack_units, query_chunks; /* heads of a group, queries of a chunk */
  size_t keys_bytes, values_bytes, task_bytes;
} head_cut;

static head_cut attention_cut(const dit__engine *engine, const dit__op *op) {
  const int64_t nr = engine->kernels->nr, all = (int64_t)op->samples * op->heads;
  const double flops = 4.0 * op->tokens * op->tokens * op->dim, packing = 2.0 * PLAN_MOVED * op->tokens * op->dim;
  head_cut cut;
  cut.keys_bytes = plan_round((size_t)(plan_ceil(op->tokens, nr) * nr * op->dim) * 4);
  cut.values_bytes = plan_round((size_t)(plan_ceil(op->dim, nr) * nr * op->tokens) * 4);
  cut.task_bytes = plan_round((size_t)dit__attention_scratch(op->dim) * 4);
  int64_t most =
      plan_least((int64_t)(engine->unit_flops / flops), (int64_t)(PLAN_HEADS / (cut.keys_bytes + cut.values_bytes)));
  most = plan_most(1, plan_least(most, all));
  if (most > engine->threads) most = most / engine->threads * engine->threads;
  cut.heads = most;
  cut.head_groups = plan_ceil(all, most);
  cut.pack_units = plan_most(1, (int64_t)ceil(packing * (double)most / engine->unit_flops));
  const int64_t queries = (int64_t)(engine->unit_flops / flops * op->tokens / (double)most);
  cut.query_chunks = plan_ceil(op->tokens, plan_most(1, plan_least(queries, op->tokens)));
  cut.queries = plan_ceil(op->tokens, cut.query_chunks);
  cut.query_chunks = plan_ceil(op->tokens, cut.queries);
  return cut;
}

static int64_t attention_units(const head_cut *cut) { return cut->head_groups * (cut->pack_units + cut->query_chunks); }

typedef struct head_run {
  const dit__kernels *kernels;
  const dit__op *op;
  head_cut cut;
  uint8_t *packed, *scratch;
  int64_t head, heads, query, queries, pack_unit;
  int32_t tasks;
} head_run;

static const float *head_rows(const dit__op *op, int64_t head, int32_t part) {
  const int64_t sample = head / op->heads, at = head % op->heads;
  return op->x + sample * op->tokens * op->x_stride + ((int64_t)part * op->heads + at) * op->dim;
}

/* Task i packs keys (even) or values (odd) of a head: this unit's share of the panels. */
static void DIT_CALL head_pack_task(void *context, int32_t index) {
  const head_run *run = (const head_run *)context;
  const dit__op *op = run->op;
  const int32_t units = (int32_t)run->cut.pack_units, unit = (int32_t)run->pack_unit, nr = run->kernels->nr;
  int64_t first, count, begin, panels;
  plan_share(run->heads * 2, run->tasks, index, 1, &first, &count);
  for (int64_t i = first; i < first + count; i++) {
    uint8_t *keys = run->packed + (size_t)(i / 2) * (run->cut.keys_bytes + run->cut.values_bytes);
    const float *rows = head_rows(op, run->head + i / 2, i % 2 ? 2 : 1);
    plan_share(i % 2 ? op->dim : op->tokens, units, unit, nr, &begin, &panels);
    if (!panels) continue;
    if (i % 2) {
      float *to = (float *)(void *)(keys + run->cut.keys_bytes) + begin * op->tokens;
      run->kernels->pack_columns(rows + begin, op->x_stride, op->tokens, (int32_t)panels, to);
    } else {
      const dit__weights as_weights = {
          (const uint8_t *)rows, NULL, op->x_stride, DIT__F32, op->tokens, op->dim, 1, NULL};
      float *to = (float *)(void *)keys + begin * op->dim;
      run->kernels->pack(&as_weights, (int32_t)begin, (int32_t)panels, to);
    }
  }
}

static void DIT_CALL head_task(void *context, int32_t index) {
  const head_run *run = (const head_run *)context;
  const dit__op *op = run->op;
  int64_t first, count;
  plan_share(run->heads * run->queries, run->tasks, index, PLAN_QUERIES, &first, &count);
  while (count > 0) {
    const int64_t head = first / run->queries, query = first % run->queries;
    const int64_t part = plan_least(count, run->queries - query);
    const uint8_t *keys = run->packed + (size_t)head * (run->cut.keys_bytes + run->cut.values_bytes);
    const int64_t sample = (run->head + head) / op->heads;
    dit__attention a;
    a.tokens = op->tokens;
    a.dim = op->dim;
    a.q = head_rows(op, run->head + head, 0);
    a.q_stride = op->x_stride;
    a.keys = (const float *)(const void *)keys;
    a.values = (const float *)(const void *)(keys + run->cut.keys_bytes);
    a.scale = op->factor;
    a.out = op->out + sample * op->tokens * op->out_stride + (run->head + head) % op->heads * op->dim;
    a.out_stride = op->out_stride;
    run->kernels->attention(&a, (int32_t)(run->query + query), (int32_t)part,
                            (float *)(void *)(run->scratch + (size_t)index * run->cut.task_bytes));
    first += part;
    count -= part;
  }
}

static void attention_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  head_run run;
  memset(&run, 0, sizeof run);
  run.kernels = engine->kernels;
  run.op = op;
  run.cut = attention_cut(engine, op);
  run.packed = engine->scratch;
  run.scratch = engine->scratch + (size_t)run.cut.heads * (run.cut.keys_bytes + run.cut.values_bytes);
  const int64_t each = run.cut.pack_units + run.cut.query_chunks, chunk = unit % each - run.cut.pack_units;
  run.head = unit / each * run.cut.heads;
  run.heads = plan_least(run.cut.heads, (int64_t)op->samples * op->heads - run.head);
  if (chunk < 0) {
    run.pack_unit = unit % each;
    run.tasks = plan_tasks(engine, 2.0 * PLAN_MOVED * (double)run.heads * op->tokens * op->dim, run.heads * 2);
    dit__parallel(engine, run.tasks, head_pack_task, &run);
    return;
  }
  run.query = chunk * run.cut.queries;
  run.queries = plan_least(run.cut.queries, op->tokens - run.query);
  if (run.queries <= 0) return;
  const double flops = 4.0 * (double)run.heads * (double)run.queries * op->tokens * op->dim;
  run.tasks = plan_tasks(engine, flops, plan_ceil(run.heads * run.queries, PLAN_QUERIES));
  dit__parallel(engine, run.tasks, head_task, &run);
}

/* ---- Operations and plans ---- */

static int64_t op_units(const dit__engine *engine, const dit__op *op) {
  switch (op->kind) {
    case DIT__PRODUCT: {
      const plan_cut cut = product_cut(engine, op);
      return cut.pack_rows + (int64_t)cut.column_chunks * (cut.pack_units + cut.row_chunks);
    }
    case DIT__CONVOLUTION:
      return op->matrix->winograd ? dit__winograd_units(engine, op) : dit__convolution_units(engine, op);
    case DIT__ATTENTION: {
      const head_cut cut = attention_cut(engine, op);
      return attention_units(&cut);
    }
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
    case DIT__PRODUCT: {
      const plan_cut cut = product_cut(engine, op);
      const int32_t each = cut.pack_units + cut.row_chunks, rows = plan->unit < cut.pack_rows;
      unit.flops = 2.0 * cut.rows * cut.columns * op->matrix->weights.k;
      unit.useful *= units / (cut.column_chunks * (double)cut.row_chunks);
      if (!rows && (plan->unit - cut.pack_rows) % each >= cut.pack_units) break;
      unit.kind = DIT__PACKING;
      unit.flops = (double)PLAN_MOVED * (rows ? cut.rows : cut.columns) * op->matrix->weights.k;
      unit.useful = 0;
      break;
    }
    case DIT__CONVOLUTION:
      unit.flops = op->matrix->winograd ? dit__winograd_unit_flops(engine, op) : unit.useful;
      break;
    case DIT__ATTENTION: {
      const head_cut cut = attention_cut(engine, op);
      unit.flops = 4.0 * (double)cut.heads * (double)cut.queries * op->tokens * op->dim;
      break;
    }
    case DIT__GROUP_NORM: unit.flops = 16.0 * op->rows * op->width * op->channels / units; break;
    case DIT__CALL: unit.flops = op->flops; break;
    default: unit.flops = (double)PLAN_ROW_FLOPS * op->rows * op->width / units;
  }
  return unit;
}

static size_t op_scratch(const dit__engine *engine, const dit__op *op) {
  switch (op->kind) {
    case DIT__PRODUCT: {
      const plan_cut cut = product_cut(engine, op);
      return product_scratch(engine, &cut) + (size_t)engine->threads * cut.rows_bytes;
    }
    case DIT__CONVOLUTION:
      return op->matrix->winograd ? dit__winograd_bytes(engine, op) : dit__convolution_scratch(engine, op);
    case DIT__ATTENTION: {
      const head_cut cut = attention_cut(engine, op);
      return (size_t)cut.heads * (cut.keys_bytes + cut.values_bytes) + (size_t)engine->threads * cut.task_bytes;
    }
    case DIT__GROUP_NORM:
      return ((op->sums ? 0 : (size_t)op->height * (size_t)op->groups) +
              (size_t)engine->threads * (size_t)op->channels) *
             2 * sizeof(double);
    default: return 0;
  }
}

static void op_run(const dit__engine *engine, const dit__op *op, int64_t unit) {
  switch (op->kind) {
    case DIT__PRODUCT: product_unit(engine, op, unit); break;
    case DIT__CONVOLUTION:
      if (op->matrix->winograd)
        dit__winograd_unit(engine, op, unit);
      else
        dit__convolution_unit(engine, op, unit);
      break;
    case DIT__ATTENTION: attention_unit(engine, op, unit); break;
    case DIT__GROUP_NORM: group_unit(engine, op, unit); break;
    case DIT__CALL: op->call(op, engine->kernels, unit); break;
    default: row_unit(engine, op, unit); break;
  }
}

void dit__plan_open(dit__plan *plan, const dit__engine *engine, dit__op *ops) {
  memset(plan, 0, sizeof *plan);
  plan->engine = engine;
  plan->ops = ops;
}

void dit__plan_close(dit__plan *plan) {
  if (!plan->open) return;
  plan->open = 0;
  dit__op *op = plan->ops ? &plan->ops[plan->count - 1] : &plan->one;
  plan->units += op_units(plan->engine, op);
  op->scratch = (uint8_t *)dit__arena_take(plan->arena, op_scratch(plan->engine, op), 1);
  dit__arena_give(plan->arena, op->scratch);
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
  for (int32_t i = plan->at + 1; !engine.next_product && i < plan->count; i++)
    if (plan->ops[i].kind == DIT__PRODUCT) engine.next_product = &plan->ops[i];
  op_run(&engine, op, plan->unit++);
  if (plan->unit >= op_units(&engine, op)) {
    plan->unit = 0;
    plan->at++;
  }
  return plan->at < plan->count;
}
