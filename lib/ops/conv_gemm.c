/* 3x3 convolutions as products: of stride 2, and of few channels. The others are winograd.c's. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/ops/tiling.h"

enum { CONVOLUTION_BAND = 3 << 20 }; /* bytes of scratch aimed at */

/* Bands of output rows, each gathered with its border (norm and silu applied) before it is multiplied, in chunks of
 * output channels; a row for which one panel is too much is cut along itself. The panels of the whole layer are packed
 * in a unit of their own. */
typedef struct band_cut {
  int32_t rows, bands, columns, column_chunks, pack_units;
  int32_t across, across_chunks; /* pixels of a row at a time */
  int32_t in_rows, in_width;     /* gathered */
  size_t panel_bytes, pack_bytes, band_bytes, partial_bytes;
} band_cut;

static band_cut convolution_cut(const dit__engine *engine, const dit__op *op) {
  const dit__matrix *matrix = op->matrix;
  const int64_t k = matrix->weights.k, nr = engine->kernels->nr, panels = ceil_div(matrix->weights.rows, nr);
  const double unit = engine->unit_flops, panel_flops = 2.0 * (double)k * (double)matrix->weights.rows / (double)panels;
  const double gathering = (double)FLOPS_PER_MOVE * op->channels * op->stride; /* of a pixel and row of the band */
  band_cut cut;
  memset(&cut, 0, sizeof cut);
  const int64_t fit = (int64_t)(unit / (panel_flops + 3 * gathering * op->stride));
  cut.across_chunks = (int32_t)ceil_div(op->image_width, max64(1, fit));
  cut.across = (int32_t)ceil_div(op->image_width, cut.across_chunks);
  cut.across_chunks = (int32_t)ceil_div(op->image_width, cut.across);
  cut.in_width = (cut.across - 1) * op->stride + 3;
  const double row_flops = panel_flops * (double)panels * cut.across, row_gathering = gathering * cut.in_width;
  const double row_bytes = 4.0 * cut.in_width * op->channels * op->stride;
  int64_t rows = min64((int64_t)((unit - 2 * row_gathering) / (row_flops + row_gathering)), /* 2: the border */
                       (int64_t)(CONVOLUTION_BAND / row_bytes));
  rows = cut.across_chunks > 1 ? 1 : max64(1, min64(rows, op->rows));
  cut.bands = (int32_t)ceil_div(op->rows, rows);
  cut.rows = (int32_t)ceil_div(op->rows, cut.bands);
  cut.bands = (int32_t)ceil_div(op->rows, cut.rows);
  int64_t most = (int64_t)((unit - (cut.rows + 2) * row_gathering) / (panel_flops * cut.across * cut.rows));
  most = max64(1, min64(most, panels));
  const int64_t each = ceil_div(panels, ceil_div(panels, most));
  cut.columns = (int32_t)(each * nr);
  cut.column_chunks = (int32_t)ceil_div(panels, each);
  cut.in_rows = (cut.rows - 1) * op->stride + 3;
  cut.panel_bytes = (size_t)(k * nr) * 4;
  cut.pack_units = matrix->panels == NULL;
  if (!matrix->panels) cut.pack_bytes = align64(cut.panel_bytes * (size_t)panels);
  cut.band_bytes = align64((size_t)cut.in_rows * (size_t)cut.in_width * (size_t)op->channels * 4);
  if (k > DIT__KC) cut.partial_bytes = align64((size_t)cut.rows * (size_t)cut.across * (size_t)cut.columns * 4);
  return cut;
}

int64_t dit__convolution_units(const dit__engine *engine, const dit__op *op) {
  const band_cut cut = convolution_cut(engine, op);
  return cut.pack_units + (int64_t)cut.bands * cut.across_chunks * cut.column_chunks;
}

size_t dit__convolution_scratch(const dit__engine *engine, const dit__op *op) {
  const band_cut cut = convolution_cut(engine, op);
  return cut.pack_bytes + cut.band_bytes + cut.partial_bytes + (size_t)engine->threads * dit__gemm_task_bytes();
}

typedef struct band_run {
  const dit__kernels *kernels;
  const dit__op *op;
  float *band;
  /* Of the picture that x holds, upsampled if asked; -1 is the border above and to the left. */
  int32_t first_row, first_column;
  int32_t rows, width, tasks;
} band_run;

static void band_row(const band_run *run, int32_t row, float *to) {
  const dit__op *op = run->op;
  const int32_t channels = op->channels, scale = op->stride == 2 ? 2 : 1;
  const int32_t columns = op->image_width * scale, rows = op->height * scale;
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
    run->kernels->affine(from, channels, end - begin, channels, op->scale, op->shift, op->silu, inside);
  else
    memcpy(inside, from, (size_t)(end - begin) * pixel);
}

static void DIT_CALL band_task(void *context, int32_t index) {
  const band_run *run = (const band_run *)context;
  int64_t first, count;
  split_range(run->rows, run->tasks, index, 1, &first, &count);
  for (int64_t i = first; i < first + count; i++)
    band_row(run, run->first_row + (int32_t)i, run->band + i * run->width * run->op->channels);
}

void dit__convolution_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const band_cut cut = convolution_cut(engine, op);
  const dit__matrix *matrix = op->matrix;
  const int32_t nr = engine->kernels->nr, border = op->stride == 2 ? 0 : 1;
  if (cut.pack_units && unit == 0) {
    dit__pack_matrix(engine, matrix, 0, matrix->weights.rows, nr, cut.panel_bytes, engine->scratch, NULL);
    return;
  }
  unit -= cut.pack_units;
  const int64_t chunk = unit / cut.column_chunks;
  const int32_t row = (int32_t)(chunk / cut.across_chunks) * cut.rows;
  const int32_t pixel = (int32_t)(chunk % cut.across_chunks) * cut.across;
  const int32_t column = (int32_t)(unit % cut.column_chunks) * cut.columns;
  const int32_t rows = (int32_t)min64(cut.rows, op->rows - row);
  const int32_t across = (int32_t)min64(cut.across, op->image_width - pixel);
  float *band = (float *)(void *)(engine->scratch + cut.pack_bytes);
  if (column == 0) {
    band_run gather = {engine->kernels, op, band, 0, pixel * op->stride - border, 0, 0, 0};
    gather.first_row = (op->first_row + row) * op->stride - border;
    gather.rows = (rows - 1) * op->stride + 3;
    gather.width = (across - 1) * op->stride + 3;
    gather.tasks = task_count(engine, (double)FLOPS_PER_MOVE * gather.rows * gather.width * op->channels, gather.rows);
    dit__parallel(engine, gather.tasks, band_task, &gather);
  }
  dit__gemm_run run;
  memset(&run, 0, sizeof run);
  run.kernels = engine->kernels;
  run.panels = matrix->panels ? (const uint8_t *)matrix->panels : engine->scratch;
  run.panels += (size_t)(column / nr) * cut.panel_bytes;
  run.panel_bytes = cut.panel_bytes;
  run.nr = nr;
  run.rows = rows * across;
  run.columns = (int32_t)min64(cut.columns, matrix->weights.rows - column);
  dit__gemm *to = &run.product.to;
  const int32_t in_width = (across - 1) * op->stride + 3;
  const ptrdiff_t at = ((ptrdiff_t)row * op->image_width + pixel) * op->out_stride + column;
  to->a = band;
  to->line = across; /* of out, lines follow each other: they are whole rows, or there is only one */
  to->row_stride = (ptrdiff_t)op->stride * op->channels;
  to->line_stride = (ptrdiff_t)op->stride * in_width * op->channels;
  to->taps = 9;
  to->channels = op->channels;
  for (int t = 0; t < 9; t++) to->tap_offset[t] = ((ptrdiff_t)(t / 3) * in_width + t % 3) * op->channels;
  to->bias = matrix->bias + column;
  to->out = op->out + at;
  to->out_stride = op->out_stride;
  to->partial = (float *)(void *)(engine->scratch + cut.pack_bytes + cut.band_bytes);
  to->partial_rows = cut.rows * cut.across;
  run.scratch = engine->scratch + cut.pack_bytes + cut.band_bytes + cut.partial_bytes;
  to->epilogue = op->epilogue;
  if (op->epilogue >= DIT__EPILOGUE_RESIDUAL) to->residual = op->residual + at;
  to->residual_stride = op->out_stride;
  to->rows_per_sample = 1;
  dit__gemm_compute(engine, &run, matrix->weights.k);
}
