/* 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): how they are cut into units and tasks (see
 * kernels/winograd.h for the arithmetic). */
#include "lib/core/numerics.h"

#include <math.h>
#include <string.h>

#include "lib/ops/gemm.h"
#include "lib/ops/op.h"

/* Bytes of transformed tiles, and of transformed filters, that are aimed at when they are made chunk by chunk. */
enum { CHUNK_TILE_BYTES = 8 << 20, CHUNK_FILTER_BYTES = 8 << 20 };

/* ---- Tiling ---- */

/* What the input transform of a tile costs, the filter transform of a panel, and the product of a tile with a panel
 * together with its output transform, in flops. */
static double input_flops(const dit__conv_op *op) {
  return (double)FLOPS_PER_MOVE * DIT__WINOGRAD_POINTS * op->channels;
}
static double filter_flops(const dit__conv_op *op, int32_t nr) {
  return op->matrix->panels ? 0 : (double)FLOPS_PER_MOVE * DIT__WINOGRAD_POINTS * op->channels * nr;
}
static double output_flops(const dit__conv_op *op, int32_t nr) {
  return nr * (2.0 * DIT__WINOGRAD_POINTS * op->channels + 16 * FLOPS_PER_MOVE);
}

static size_t transformed_bytes(int32_t tiles, int32_t channels) {
  return align64((size_t)dit__winograd_point(tiles, channels) * DIT__WINOGRAD_POINTS * 4);
}

static void tile_chunks(const dit__engine *engine, const dit__conv_op *op, size_t all_tiles, dit__winograd_tiling *t) {
  const int32_t nr = engine->kernels->nr;
  const double unit = engine->unit_flops, output = output_flops(op, nr);
  int64_t chunk =
      t->tiles_stay ? (int64_t)((unit - filter_flops(op, nr)) / output) : (int64_t)(unit / (output + input_flops(op)));
  if (!t->tiles_stay) chunk = min64(chunk, (int64_t)(CHUNK_TILE_BYTES / (all_tiles / (size_t)t->tiles)));
  chunk = max64(chunk / DIT__WINOGRAD_ALIGN, 1) * DIT__WINOGRAD_ALIGN;
  t->chunks = (int32_t)ceil_div(t->tiles, chunk);
  chunk = ceil_div(ceil_div(t->tiles, t->chunks), DIT__WINOGRAD_ALIGN) * DIT__WINOGRAD_ALIGN;
  t->chunk = (int32_t)min64(chunk, t->tiles);
  t->chunks = (int32_t)ceil_div(t->tiles, t->chunk);
}

/* Returns the panels of a chunk. */
static int64_t tile_filters(const dit__engine *engine, const dit__conv_op *op, size_t all_tiles, int64_t panels,
                            dit__winograd_tiling *t) {
  const int32_t nr = engine->kernels->nr;
  const double unit = engine->unit_flops, output = output_flops(op, nr);
  /* A band of an image, which saves memory, has no more of its filters at a time than of its tiles. */
  const int is_band = op->rows < op->height && all_tiles < CHUNK_FILTER_BYTES;
  const size_t filter_bytes = is_band ? all_tiles : (size_t)CHUNK_FILTER_BYTES;
  int64_t max_panels = t->tiles_stay ? min64((int64_t)(unit / (filter_flops(op, nr) + output * t->chunk)),
                                             (int64_t)(filter_bytes / t->panel_bytes))
                                     : (int64_t)((unit - input_flops(op) * t->chunk) / (output * t->chunk));
  max_panels = min64(max64(max_panels, 1), panels);
  if (max_panels > engine->threads) max_panels = max_panels / engine->threads * engine->threads;
  const int64_t each = ceil_div(panels, ceil_div(panels, max_panels));
  t->columns = (int32_t)(each * nr);
  t->column_chunks = (int32_t)ceil_div(panels, each);
  return each;
}

/* Units that prepare what stays whole. */
static int32_t prepare_units(const dit__engine *engine, const dit__conv_op *op, int64_t panels,
                             const dit__winograd_tiling *t) {
  const double unit = engine->unit_flops;
  if (t->tiles_stay)
    return (int32_t)min64((int64_t)ceil(input_flops(op) * t->tiles / unit), ceil_div(t->tiles, DIT__WINOGRAD_ALIGN));
  if (op->matrix->panels) return 0;
  return (int32_t)min64((int64_t)ceil(filter_flops(op, engine->kernels->nr) * (double)panels / unit), panels);
}

void dit__winograd_tile(const dit__engine *engine, dit__op *op) {
  dit__conv_op *conv = &op->conv;
  const dit__matrix *matrix = conv->matrix;
  dit__winograd_tiling *t = &conv->tiling.winograd;
  const int32_t nr = engine->kernels->nr;
  const int64_t panels = ceil_div(matrix->weights.rows, nr);
  memset(t, 0, sizeof *t);
  t->across = (int32_t)ceil_div(conv->width, 4);
  t->tiles = t->across * (int32_t)ceil_div(conv->rows, 4);
  t->panel_bytes = dit__panel_bytes(matrix, engine->kernels);
  const size_t all_tiles = transformed_bytes(t->tiles, conv->channels);
  t->tiles_stay = !matrix->panels && all_tiles <= t->panel_bytes * (size_t)panels;
  tile_chunks(engine, conv, all_tiles, t);
  const int64_t each = tile_filters(engine, conv, all_tiles, panels, t);
  t->prepare_units = prepare_units(engine, conv, panels, t);
  if (!matrix->panels) t->panels_bytes = align64(t->panel_bytes * (size_t)(t->tiles_stay ? each : panels));
  t->tiles_bytes = t->tiles_stay ? all_tiles : transformed_bytes(t->chunk, conv->channels);
  t->task_bytes = align64((size_t)dit__winograd_scratch(t->chunk, t->columns) * 4);

  const double tile_flops = input_flops(conv) + output_flops(conv, nr) * (double)panels;
  op->units = t->prepare_units + (int64_t)t->chunks * t->column_chunks;
  op->unit_flops = (tile_flops * t->tiles + filter_flops(conv, nr) * (double)panels) / (double)op->units;
  op->useful_flops = 2.0 * conv->rows * conv->width * (double)matrix->weights.k * matrix->weights.rows;
  op->scratch_bytes = t->panels_bytes + t->tiles_bytes + (size_t)engine->threads * t->task_bytes;
}

/* ---- Running ---- */

typedef struct winograd_run {
  const dit__engine *engine;
  const dit__conv_op *op;
  dit__winograd arguments;
  int64_t first, count; /* tiles, from arguments.first on */
  int32_t tasks, by_tiles;
  uint8_t *scratch; /* of the tasks */
} winograd_run;

static void DIT_CALL winograd_input_task(void *context, int32_t index) {
  const winograd_run *run = (const winograd_run *)context;
  int64_t first, count;
  split_range(run->count, run->tasks, index, DIT__WINOGRAD_ALIGN, &first, &count);
  if (count) run->engine->kernels->winograd_input(&run->arguments, (int32_t)(run->first + first), (int32_t)count);
}

static void DIT_CALL winograd_output_task(void *context, int32_t index) {
  const winograd_run *run = (const winograd_run *)context;
  const dit__winograd_tiling *t = &run->op->tiling.winograd;
  const int32_t nr = run->engine->kernels->nr;
  dit__winograd part = run->arguments;
  int64_t first = 0, count = run->count, column = 0, columns = part.columns;
  if (run->by_tiles)
    split_range(run->count, run->tasks, index, DIT__WINOGRAD_ALIGN, &first, &count);
  else
    split_range(part.columns, run->tasks, index, nr, &column, &columns);
  if (!count || !columns) return;
  part.columns = (int32_t)columns;
  part.panels += (size_t)(column / nr) * t->panel_bytes / sizeof(float);
  part.bias += column;
  part.out += column;
  if (part.residual) part.residual += column;
  run->engine->kernels->winograd_output(&part, (int32_t)(run->first + first), (int32_t)count,
                                        (float *)(void *)(run->scratch + (size_t)index * t->task_bytes));
}

/* Transforms tiles first .. first + count - 1 of those that the run keeps. */
static void transform_input(winograd_run *run, int64_t first, int64_t count) {
  run->first = first;
  run->count = count;
  run->tasks = task_count(run->engine, input_flops(run->op) * (double)count, ceil_div(count, DIT__WINOGRAD_ALIGN));
  dit__parallel(run->engine, run->tasks, winograd_input_task, run);
}

/* Multiplies tiles first .. first + count - 1 by the filters of columns from `column` on, and transforms the products to
 * output. */
static void multiply_tiles(winograd_run *run, int64_t first, int64_t count, int32_t column, int32_t columns) {
  const dit__conv_op *op = run->op;
  const dit__engine *engine = run->engine;
  dit__winograd *to = &run->arguments;
  const int32_t nr = engine->kernels->nr;
  const int64_t panels = ceil_div(columns, nr), grains = ceil_div(count, DIT__WINOGRAD_ALIGN);
  to->columns = columns;
  to->bias = op->matrix->bias + column;
  to->out = op->out + column;
  to->residual = op->residual ? op->residual + column : NULL;
  run->first = first;
  run->count = count;
  run->by_tiles = panels % engine->threads && panels < 4 * (int64_t)engine->threads; /* else all panels are read once */
  const double flops = output_flops(op, nr) * (double)(panels * count);
  run->tasks = task_count(engine, flops, run->by_tiles ? grains : panels);
  dit__parallel(engine, run->tasks, winograd_output_task, run);
}

static winograd_run winograd_run_of(const dit__engine *engine, const dit__op *op) {
  const dit__conv_op *conv = &op->conv;
  const dit__winograd_tiling *t = &conv->tiling.winograd;
  winograd_run run;
  memset(&run, 0, sizeof run);
  run.engine = engine;
  run.op = conv;
  run.scratch = op->scratch + t->panels_bytes + t->tiles_bytes;
  dit__winograd *to = &run.arguments;
  to->x = conv->x;
  to->height = conv->height;
  to->width = conv->width;
  to->channels = conv->channels;
  to->upsample = conv->upsample;
  to->x_row = conv->x_row;
  to->out_row = conv->first_row;
  to->first = conv->first_row / 4 * t->across;
  to->scale = conv->scale;
  to->shift = conv->shift;
  to->tiles = (float *)(void *)(op->scratch + t->panels_bytes);
  to->point_stride = (ptrdiff_t)dit__winograd_point(t->tiles_stay ? t->tiles : t->chunk, conv->channels);
  to->out_stride = conv->matrix->weights.rows;
  return run;
}

/* One of the units that prepare what stays whole. */
static void winograd_prepare(const dit__engine *engine, const dit__op *op, int64_t unit, winograd_run *run) {
  const dit__matrix *matrix = op->conv.matrix;
  const dit__winograd_tiling *t = &op->conv.tiling.winograd;
  const int32_t nr = engine->kernels->nr;
  int64_t first, count;
  if (t->tiles_stay) {
    split_range(t->tiles, t->prepare_units, (int32_t)unit, DIT__WINOGRAD_ALIGN, &first, &count);
    transform_input(run, first, count);
  } else {
    split_range(matrix->weights.rows, t->prepare_units, (int32_t)unit, nr, &first, &count);
    dit__pack_matrix(engine, matrix, (int32_t)first, (int32_t)count, nr, t->panel_bytes,
                     op->scratch + (size_t)(first / nr) * t->panel_bytes, NULL);
  }
}

void dit__winograd_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__matrix *matrix = op->conv.matrix;
  const dit__winograd_tiling *t = &op->conv.tiling.winograd;
  const int32_t nr = engine->kernels->nr;
  winograd_run run = winograd_run_of(engine, op);
  if (unit < t->prepare_units) {
    winograd_prepare(engine, op, unit, &run);
    return;
  }
  unit -= t->prepare_units;
  const int64_t inner = t->tiles_stay ? t->chunks : t->column_chunks;
  const int64_t tile = (t->tiles_stay ? unit % inner : unit / inner) * t->chunk;
  const int32_t column = (int32_t)(t->tiles_stay ? unit / inner : unit % inner) * t->columns;
  const int32_t columns = (int32_t)min64(t->columns, matrix->weights.rows - column);
  const int64_t count = min64(t->chunk, t->tiles - tile);
  const float *panels = matrix->panels ? matrix->panels : (const float *)(const void *)op->scratch;
  if (t->tiles_stay) { /* the filters of these columns are transformed with their first chunk of tiles */
    if (tile == 0) dit__pack_matrix(engine, matrix, column, columns, nr, t->panel_bytes, op->scratch, NULL);
    run.arguments.panels = panels;
    multiply_tiles(&run, tile, count, column, columns);
  } else { /* the tiles are transformed with their first chunk of columns */
    run.arguments.first += (int32_t)tile;
    if (column == 0) transform_input(&run, 0, count);
    run.arguments.panels = panels + (size_t)(column / nr) * t->panel_bytes / sizeof(float);
    multiply_tiles(&run, 0, count, column, columns);
  }
}
