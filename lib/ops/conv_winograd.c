/* 3x3 convolutions by Winograd's method, cut into units: see kernels/winograd.h. */
#include "lib/core/numerics.h"

#include <math.h>
#include <string.h>

#include "lib/ops/tiling.h"

/* Bytes of transformed tiles, and of transformed weights, that are aimed at when they are made piece by piece. */
enum { WINOGRAD_TILES = 8 << 20, WINOGRAD_PANELS = 8 << 20 };

/* Transformed tiles and transformed weights may both be larger than what they are made of. The smaller of the two stays
 * whole, prepared in units of its own; the other is made chunk by chunk, and each chunk meets all of the first. */
typedef struct winograd_cut {
  int32_t across, tiles;          /* tiles of a row of tiles, and of the operation's rows */
  int32_t chunk, chunks;          /* tiles of a chunk */
  int32_t columns, column_chunks; /* columns of a chunk */
  int32_t tiles_stay, stay_units; /* 1: the tiles stay; units that prepare what stays */
  size_t panel_bytes, panels_bytes, tiles_bytes, task_bytes;
} winograd_cut;

/* What a tile costs on its way in, a panel in packing, and both together, in flops. */
static double winograd_in_flops(const dit__op *op) {
  return (double)FLOPS_PER_MOVE * DIT__WINOGRAD_POINTS * op->channels;
}
static double winograd_pack_flops(const dit__op *op, int32_t nr) {
  return op->matrix->panels ? 0 : (double)FLOPS_PER_MOVE * DIT__WINOGRAD_POINTS * op->channels * nr;
}
static double winograd_flops(const dit__op *op, int32_t nr) {
  return nr * (2.0 * DIT__WINOGRAD_POINTS * op->channels + 16 * FLOPS_PER_MOVE);
}

static size_t winograd_tiles_bytes(int32_t tiles, int32_t channels) {
  return align64((size_t)dit__winograd_point(tiles, channels) * DIT__WINOGRAD_POINTS * 4);
}

static winograd_cut winograd_cut_of(const dit__engine *engine, const dit__op *op) {
  const dit__matrix *matrix = op->matrix;
  const int32_t nr = engine->kernels->nr;
  const int64_t panels = ceil_div(matrix->weights.rows, nr);
  const double unit = engine->unit_flops, in = winograd_in_flops(op), pack = winograd_pack_flops(op, nr);
  const double both = winograd_flops(op, nr);
  winograd_cut cut;
  memset(&cut, 0, sizeof cut);
  cut.across = (int32_t)ceil_div(op->image_width, 4);
  cut.tiles = cut.across * (int32_t)ceil_div(op->rows, 4);
  cut.panel_bytes = dit__panel_bytes(matrix, engine->kernels);
  const size_t all_tiles = winograd_tiles_bytes(cut.tiles, op->channels);
  cut.tiles_stay = !matrix->panels && all_tiles <= cut.panel_bytes * (size_t)panels;
  int64_t chunk = (int64_t)((cut.tiles_stay ? unit - pack : unit) / (cut.tiles_stay ? both : both + in));
  if (!cut.tiles_stay) chunk = min64(chunk, (int64_t)(WINOGRAD_TILES / (all_tiles / (size_t)cut.tiles)));
  chunk = max64(chunk / DIT__WINOGRAD_ALIGN, 1) * DIT__WINOGRAD_ALIGN;
  cut.chunks = (int32_t)ceil_div(cut.tiles, chunk);
  chunk = ceil_div(ceil_div(cut.tiles, cut.chunks), DIT__WINOGRAD_ALIGN) * DIT__WINOGRAD_ALIGN;
  cut.chunk = (int32_t)min64(chunk, cut.tiles);
  cut.chunks = (int32_t)ceil_div(cut.tiles, cut.chunk);
  /* A band of a picture, which saves memory, has no more of its weights at a time than of its tiles. */
  const size_t panels_bytes =
      op->rows < op->height && all_tiles < WINOGRAD_PANELS ? all_tiles : (size_t)WINOGRAD_PANELS;
  int64_t most = cut.tiles_stay
                     ? min64((int64_t)(unit / (pack + both * cut.chunk)), (int64_t)(panels_bytes / cut.panel_bytes))
                     : (int64_t)((unit - in * cut.chunk) / (both * cut.chunk));
  most = min64(max64(most, 1), panels);
  if (most > engine->threads) most = most / engine->threads * engine->threads;
  const int64_t each = ceil_div(panels, ceil_div(panels, most));
  cut.columns = (int32_t)(each * nr);
  cut.column_chunks = (int32_t)ceil_div(panels, each);
  if (cut.tiles_stay)
    cut.stay_units = (int32_t)min64(ceil(in * cut.tiles / unit), ceil_div(cut.tiles, DIT__WINOGRAD_ALIGN));
  else if (!matrix->panels)
    cut.stay_units = (int32_t)min64(ceil(pack * (double)panels / unit), panels);
  if (!matrix->panels) cut.panels_bytes = cut.panel_bytes * (size_t)(cut.tiles_stay ? each : panels);
  cut.tiles_bytes = cut.tiles_stay ? all_tiles : winograd_tiles_bytes(cut.chunk, op->channels);
  cut.task_bytes = align64((size_t)dit__winograd_scratch(cut.chunk, cut.columns) * 4);
  return cut;
}

static int64_t winograd_units(const winograd_cut *cut) {
  return cut->stay_units + (int64_t)cut->chunks * cut->column_chunks;
}

int64_t dit__winograd_units(const dit__engine *engine, const dit__op *op) {
  const winograd_cut cut = winograd_cut_of(engine, op);
  return winograd_units(&cut);
}

double dit__winograd_unit_flops(const dit__engine *engine, const dit__op *op) {
  const winograd_cut cut = winograd_cut_of(engine, op);
  const int32_t nr = engine->kernels->nr;
  const double panels = (double)ceil_div(op->matrix->weights.rows, nr);
  const double flops = (winograd_in_flops(op) + winograd_flops(op, nr) * panels) * cut.tiles;
  return (flops + winograd_pack_flops(op, nr) * panels) / (double)winograd_units(&cut);
}

size_t dit__winograd_bytes(const dit__engine *engine, const dit__op *op) {
  const winograd_cut cut = winograd_cut_of(engine, op);
  return align64(cut.panels_bytes) + cut.tiles_bytes + (size_t)engine->threads * cut.task_bytes;
}

typedef struct winograd_run {
  const dit__kernels *kernels;
  dit__winograd convolution;
  int64_t first, count; /* tiles, from convolution.first on */
  int32_t nr, tasks, by_tiles;
  size_t panel_bytes, task_bytes;
  uint8_t *scratch;
} winograd_run;

static void DIT_CALL winograd_in_task(void *context, int32_t index) {
  const winograd_run *run = (const winograd_run *)context;
  int64_t first, count;
  split_range(run->count, run->tasks, index, DIT__WINOGRAD_ALIGN, &first, &count);
  if (count) run->kernels->winograd_input(&run->convolution, (int32_t)(run->first + first), (int32_t)count);
}

static void DIT_CALL winograd_task(void *context, int32_t index) {
  const winograd_run *run = (const winograd_run *)context;
  dit__winograd part = run->convolution;
  int64_t first = 0, count = run->count, column = 0, columns = part.columns;
  if (run->by_tiles)
    split_range(run->count, run->tasks, index, DIT__WINOGRAD_ALIGN, &first, &count);
  else
    split_range(part.columns, run->tasks, index, run->nr, &column, &columns);
  if (!count || !columns) return;
  part.columns = (int32_t)columns;
  part.panels += (size_t)(column / run->nr) * run->panel_bytes / sizeof(float);
  part.bias += column;
  part.out += column;
  if (part.residual) part.residual += column;
  run->kernels->winograd_output(&part, (int32_t)(run->first + first), (int32_t)count,
                                (float *)(void *)(run->scratch + (size_t)index * run->task_bytes));
}

/* Transforms tiles first.. of those that the run keeps. */
static void winograd_input(const dit__engine *engine, const dit__op *op, winograd_run *run, int64_t first,
                           int64_t count) {
  run->first = first;
  run->count = count;
  run->tasks = task_count(engine, winograd_in_flops(op) * (double)count, ceil_div(count, DIT__WINOGRAD_ALIGN));
  dit__parallel(engine, run->tasks, winograd_in_task, run);
}

/* Multiplies tiles first.. with columns column.. */
static void winograd_multiply(const dit__engine *engine, const dit__op *op, winograd_run *run, int64_t first,
                              int64_t count, int32_t column, int32_t columns) {
  dit__winograd *to = &run->convolution;
  const int64_t panels = ceil_div(columns, run->nr), grains = ceil_div(count, DIT__WINOGRAD_ALIGN);
  to->columns = columns;
  to->bias = op->matrix->bias + column;
  to->out = op->out + column;
  to->residual = op->residual ? op->residual + column : NULL;
  run->first = first;
  run->count = count;
  run->by_tiles = panels % engine->threads && panels < 4 * (int64_t)engine->threads; /* else all panels are read once */
  run->tasks =
      task_count(engine, winograd_flops(op, run->nr) * (double)(panels * count), run->by_tiles ? grains : panels);
  dit__parallel(engine, run->tasks, winograd_task, run);
}

void dit__winograd_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const winograd_cut cut = winograd_cut_of(engine, op);
  const dit__matrix *matrix = op->matrix;
  const int32_t nr = engine->kernels->nr, rows = matrix->weights.rows;
  uint8_t *panels = engine->scratch;
  int64_t first, count;
  winograd_run run;
  memset(&run, 0, sizeof run);
  run.kernels = engine->kernels;
  run.nr = nr;
  run.panel_bytes = cut.panel_bytes;
  run.task_bytes = cut.task_bytes;
  run.scratch = panels + align64(cut.panels_bytes) + cut.tiles_bytes;
  dit__winograd *to = &run.convolution;
  to->x = op->x;
  to->height = op->height;
  to->width = op->image_width;
  to->channels = op->channels;
  to->upsample = op->upsample;
  to->x_row = op->x_row;
  to->out_row = op->first_row;
  to->first = op->first_row / 4 * cut.across;
  to->scale = op->scale;
  to->shift = op->shift;
  to->tiles = (float *)(void *)(panels + align64(cut.panels_bytes));
  to->point_stride = (ptrdiff_t)dit__winograd_point(cut.tiles_stay ? cut.tiles : cut.chunk, op->channels);
  to->out_stride = op->out_stride;
  if (unit < cut.stay_units && cut.tiles_stay) {
    split_range(cut.tiles, cut.stay_units, (int32_t)unit, DIT__WINOGRAD_ALIGN, &first, &count);
    winograd_input(engine, op, &run, first, count);
    return;
  }
  if (unit < cut.stay_units) {
    split_range(rows, cut.stay_units, (int32_t)unit, nr, &first, &count);
    dit__pack_matrix(engine, matrix, (int32_t)first, (int32_t)count, nr, cut.panel_bytes,
                     panels + (size_t)(first / nr) * cut.panel_bytes, NULL);
    return;
  }
  unit -= cut.stay_units;
  const int64_t inner = cut.tiles_stay ? cut.chunks : cut.column_chunks;
  const int64_t tile = (cut.tiles_stay ? unit % inner : unit / inner) * cut.chunk;
  const int32_t column = (int32_t)(cut.tiles_stay ? unit / inner : unit % inner) * cut.columns;
  const int32_t columns = (int32_t)min64(cut.columns, rows - column);
  count = min64(cut.chunk, cut.tiles - tile);
  if (cut.tiles_stay) {
    if (tile == 0) dit__pack_matrix(engine, matrix, column, columns, nr, cut.panel_bytes, panels, NULL);
    to->panels = (const float *)(const void *)panels;
    winograd_multiply(engine, op, &run, tile, count, column, columns);
  } else {
    to->first += (int32_t)tile;
    if (column == 0) winograd_input(engine, op, &run, 0, count);
    to->panels = matrix->panels ? matrix->panels : (const float *)(const void *)panels;
    to->panels += (size_t)(column / nr) * cut.panel_bytes / sizeof(float);
    winograd_multiply(engine, op, &run, 0, count, column, columns);
  }
}
