/* 3x3 convolutions as implicit GEMM: those of stride 2, or with fewer than 16 channels. The others use Winograd
 * (conv_winograd.c). */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/ops/gemm.h"
#include "lib/ops/op.h"

enum { BAND_BYTES = 3 << 20 }; /* of gathered rows, aimed at */

/* ---- Tiling ---- */

/* What gathering costs, of each pixel and row of a band. */
static double gather_flops(const dit__conv_op *op) { return (double)FLOPS_PER_MOVE * op->channels * op->stride; }

/* Cuts a row along itself where a panel of a whole row would be more than a unit. */
static void tile_across(const dit__engine *engine, const dit__conv_op *op, double panel_flops,
                        dit__conv_gemm_tiling *t) {
  const int64_t fit = (int64_t)(engine->unit_flops / (panel_flops + 3 * gather_flops(op) * op->stride));
  t->across_chunks = (int32_t)ceil_div(op->width, max64(1, fit));
  t->across = (int32_t)ceil_div(op->width, t->across_chunks);
  t->across_chunks = (int32_t)ceil_div(op->width, t->across);
  t->in_width = (t->across - 1) * op->stride + 3;
}

static void tile_bands(const dit__engine *engine, const dit__conv_op *op, double panel_flops, int64_t panels,
                       dit__conv_gemm_tiling *t) {
  const double row_flops = panel_flops * (double)panels * t->across, gather = gather_flops(op) * t->in_width;
  const double row_bytes = 4.0 * t->in_width * op->channels * op->stride;
  const double border = 2 * gather;
  int64_t rows =
      min64((int64_t)((engine->unit_flops - border) / (row_flops + gather)), (int64_t)(BAND_BYTES / row_bytes));
  rows = t->across_chunks > 1 ? 1 : max64(1, min64(rows, op->rows));
  t->bands = (int32_t)ceil_div(op->rows, rows);
  t->rows = (int32_t)ceil_div(op->rows, t->bands);
  t->bands = (int32_t)ceil_div(op->rows, t->rows);
  t->in_rows = (t->rows - 1) * op->stride + 3;
}

static void tile_channels(const dit__engine *engine, const dit__conv_op *op, double panel_flops, int64_t panels,
                          dit__conv_gemm_tiling *t) {
  const double gather = (t->rows + 2) * gather_flops(op) * t->in_width;
  int64_t max_panels = (int64_t)((engine->unit_flops - gather) / (panel_flops * t->across * t->rows));
  max_panels = max64(1, min64(max_panels, panels));
  const int64_t each = ceil_div(panels, ceil_div(panels, max_panels));
  t->columns = (int32_t)(each * engine->kernels->nr);
  t->column_chunks = (int32_t)ceil_div(panels, each);
}

void dit__conv_gemm_tile(const dit__engine *engine, dit__op *op) {
  dit__conv_op *conv = &op->conv;
  const dit__matrix *matrix = conv->matrix;
  dit__conv_gemm_tiling *t = &conv->tiling.gemm;
  const int64_t k = matrix->weights.k, nr = engine->kernels->nr, panels = ceil_div(matrix->weights.rows, nr);
  const double panel_flops = 2.0 * (double)k * (double)matrix->weights.rows / (double)panels;
  memset(t, 0, sizeof *t);
  tile_across(engine, conv, panel_flops, t);
  tile_bands(engine, conv, panel_flops, panels, t);
  tile_channels(engine, conv, panel_flops, panels, t);
  t->panel_bytes = (size_t)(k * nr) * 4;
  t->pack_units = matrix->panels == NULL;
  if (!matrix->panels) t->pack_bytes = align64(t->panel_bytes * (size_t)panels);
  t->band_bytes = align64((size_t)t->in_rows * (size_t)t->in_width * (size_t)conv->channels * 4);
  if (k > DIT__KC) t->partial_bytes = align64((size_t)t->rows * (size_t)t->across * (size_t)t->columns * 4);
  op->units = t->pack_units + (int64_t)t->bands * t->across_chunks * t->column_chunks;
  op->useful_flops = 2.0 * conv->rows * conv->width * (double)k * matrix->weights.rows;
  op->unit_flops = op->useful_flops / (double)op->units;
  op->scratch_bytes =
      t->pack_bytes + t->band_bytes + t->partial_bytes + (size_t)engine->threads * dit__gemm_task_bytes();
}

/* ---- Gathering: rows of a band with their border, normed ---- */

typedef struct gather_run {
  const dit__kernels *kernels;
  const dit__conv_op *op;
  float *band;
  /* In the image that x holds, upsampled if asked; -1 is the border above and to the left. */
  int32_t first_row, first_column;
  int32_t rows, width, tasks;
} gather_run;

static void gather_row(const gather_run *run, int32_t row, float *to) {
  const dit__conv_op *op = run->op;
  const int32_t channels = op->channels, columns = op->width * op->stride, rows = op->height * op->stride;
  const size_t pixel = (size_t)channels * sizeof(float);
  const int32_t begin = (int32_t)max64(run->first_column, 0);
  const int32_t end = (int32_t)min64(run->first_column + run->width, columns);
  if (row < 0 || row >= rows) {
    memset(to, 0, (size_t)run->width * pixel);
    return;
  }
  float *inside = to + (begin - run->first_column) * channels, *behind = inside + (end - begin) * channels;
  memset(to, 0, (size_t)(begin - run->first_column) * pixel);
  memset(behind, 0, (size_t)(run->first_column + run->width - end) * pixel);
  if (op->upsample) {
    const float *from = op->x + (ptrdiff_t)(row / 2 - op->x_row) * (columns / 2) * channels;
    for (int32_t i = begin; i < end; i++, inside += channels)
      memcpy(inside, from + (ptrdiff_t)(i / 2) * channels, pixel);
    return;
  }
  const float *from = op->x + ((ptrdiff_t)(row - op->x_row) * columns + begin) * channels;
  if (op->scale)
    run->kernels->affine(from, channels, end - begin, channels, op->scale, op->shift, 1, inside);
  else
    memcpy(inside, from, (size_t)(end - begin) * pixel);
}

static void DIT_CALL gather_task(void *context, int32_t index) {
  const gather_run *run = (const gather_run *)context;
  int64_t first, count;
  split_range(run->rows, run->tasks, index, 1, &first, &count);
  for (int64_t i = first; i < first + count; i++)
    gather_row(run, run->first_row + (int32_t)i, run->band + i * run->width * run->op->channels);
}

/* ---- Running ---- */

/* The part of the output that a unit makes: rows of pixels, pixels of each, and channels. */
typedef struct conv_block {
  int32_t row, rows, pixel, pixels, column, columns;
} conv_block;

static conv_block conv_block_of(const dit__conv_op *op, int64_t unit) {
  const dit__conv_gemm_tiling *t = &op->tiling.gemm;
  const int64_t chunk = unit / t->column_chunks;
  conv_block block;
  block.row = (int32_t)(chunk / t->across_chunks) * t->rows;
  block.pixel = (int32_t)(chunk % t->across_chunks) * t->across;
  block.column = (int32_t)(unit % t->column_chunks) * t->columns;
  block.rows = (int32_t)min64(t->rows, op->rows - block.row);
  block.pixels = (int32_t)min64(t->across, op->width - block.pixel);
  block.columns = (int32_t)min64(t->columns, op->matrix->weights.rows - block.column);
  return block;
}

static void conv_gather(const dit__engine *engine, const dit__conv_op *op, const conv_block *block, float *band) {
  const int32_t border = op->stride == 2 ? 0 : 1;
  gather_run run = {.kernels = engine->kernels,
                    .op = op,
                    .band = band,
                    .first_row = (op->first_row + block->row) * op->stride - border,
                    .first_column = block->pixel * op->stride - border,
                    .rows = (block->rows - 1) * op->stride + 3,
                    .width = (block->pixels - 1) * op->stride + 3};
  run.tasks = task_count(engine, (double)FLOPS_PER_MOVE * run.rows * run.width * op->channels, run.rows);
  dit__parallel(engine, run.tasks, gather_task, &run);
}

/* The GEMM of a block: of out, lines follow each other, because they are whole rows, or there is only one. */
static void conv_multiply(const dit__engine *engine, const dit__op *op, const conv_block *block, const float *band) {
  const dit__conv_op *conv = &op->conv;
  const dit__conv_gemm_tiling *t = &conv->tiling.gemm;
  const dit__matrix *matrix = conv->matrix;
  const int32_t nr = engine->kernels->nr, in_width = (block->pixels - 1) * conv->stride + 3;
  const ptrdiff_t at = ((ptrdiff_t)block->row * conv->width + block->pixel) * matrix->weights.rows + block->column;
  dit__gemm_run run;
  memset(&run, 0, sizeof run);
  run.kernels = engine->kernels;
  run.panels = matrix->panels ? (const uint8_t *)matrix->panels : op->scratch;
  run.panels += (size_t)(block->column / nr) * t->panel_bytes;
  run.panel_bytes = t->panel_bytes;
  run.nr = nr;
  run.rows = block->rows * block->pixels;
  run.columns = block->columns;
  run.scratch = op->scratch + t->pack_bytes + t->band_bytes + t->partial_bytes;
  dit__gemm *to = &run.arguments.to;
  to->a = band;
  to->line = block->pixels;
  to->row_stride = (ptrdiff_t)conv->stride * conv->channels;
  to->line_stride = (ptrdiff_t)conv->stride * in_width * conv->channels;
  to->taps = 9;
  to->channels = conv->channels;
  for (int i = 0; i < 9; i++) to->tap_offset[i] = ((ptrdiff_t)(i / 3) * in_width + i % 3) * conv->channels;
  to->bias = matrix->bias + block->column;
  to->out = conv->out + at;
  to->out_stride = matrix->weights.rows;
  to->partial = (float *)(void *)(op->scratch + t->pack_bytes + t->band_bytes);
  to->partial_rows = t->rows * t->across;
  to->epilogue = conv->residual ? DIT__EPILOGUE_RESIDUAL : DIT__EPILOGUE_STORE;
  if (conv->residual) to->residual = conv->residual + at;
  to->residual_stride = matrix->weights.rows;
  to->rows_per_sample = 1;
  dit__gemm_compute(engine, &run, matrix->weights.k);
}

void dit__conv_gemm_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__conv_op *conv = &op->conv;
  const dit__conv_gemm_tiling *t = &conv->tiling.gemm;
  if (t->pack_units && unit == 0) {
    dit__pack_matrix(engine, conv->matrix, 0, conv->matrix->weights.rows, engine->kernels->nr, t->panel_bytes,
                     op->scratch, NULL);
    return;
  }
  const conv_block block = conv_block_of(conv, unit - t->pack_units);
  float *band = (float *)(void *)(op->scratch + t->pack_bytes);
  if (block.column == 0) conv_gather(engine, conv, &block, band);
  conv_multiply(engine, op, &block, band);
}
