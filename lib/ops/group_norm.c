/* Group norms: sums of rows, and from all of them one factor and one summand for each channel. */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/ops/op.h"

/* Scratch: for each row of the image and each group a sum and a sum of squares, if the operation has no place for them;
 * then, for each task, those of each channel. */
typedef struct group_norm_run {
  const dit__kernels *kernels;
  const dit__group_norm_op *op;
  double *sums;     /* [height][groups][2] */
  double *channels; /* [tasks][2][channels] */
  int64_t first, count;
  int32_t tasks;
} group_norm_run;

static double row_flops(const dit__group_norm_op *op) { return 16.0 * op->width * op->channels; }

void dit__group_norm_tile(const dit__engine *engine, dit__op *op) {
  const dit__group_norm_op *norm = &op->group_norm;
  const double flops = row_flops(norm) * norm->rows;
  const size_t sums = norm->sums ? 0 : (size_t)norm->height * (size_t)norm->groups;
  op->units = (int64_t)(flops / engine->unit_flops) + 1;
  op->unit_flops = flops / (double)op->units;
  op->useful_flops = 0;
  op->scratch_bytes = (sums + (size_t)engine->threads * (size_t)norm->channels) * 2 * sizeof(double);
}

static void DIT_CALL group_norm_task(void *context, int32_t index) {
  const group_norm_run *run = (const group_norm_run *)context;
  const dit__group_norm_op *op = run->op;
  const int32_t each = op->channels / op->groups;
  double *sum = run->channels + (ptrdiff_t)index * 2 * op->channels, *squares = sum + op->channels;
  int64_t first, count;
  split_range(run->count, run->tasks, index, 1, &first, &count);
  for (int64_t row = run->first + first; row < run->first + first + count; row++) {
    double *out = run->sums + (op->first_row + row) * op->groups * 2;
    run->kernels->channel_sums(op->x + row * op->width * op->channels, op->width, op->channels, sum, squares);
    for (int32_t g = 0; g < op->groups; g++) {
      double group_sum = 0, group_squares = 0;
      for (int32_t c = g * each; c < (g + 1) * each; c++) {
        group_sum += sum[c];
        group_squares += squares[c];
      }
      out[g * 2] = group_sum;
      out[g * 2 + 1] = group_squares;
    }
  }
}

static void group_norm_finish(const dit__group_norm_op *op, const double *sums) {
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

void dit__group_norm_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__group_norm_op *norm = &op->group_norm;
  double *scratch = (double *)(void *)op->scratch;
  group_norm_run run = {.kernels = engine->kernels,
                        .op = norm,
                        .sums = norm->sums ? norm->sums : scratch,
                        .channels = norm->sums ? scratch : scratch + (ptrdiff_t)norm->height * norm->groups * 2};
  split_range(norm->rows, (int32_t)op->units, (int32_t)unit, 1, &run.first, &run.count);
  run.tasks = task_count(engine, row_flops(norm) * (double)run.count, max64(run.count, 1));
  dit__parallel(engine, run.tasks, group_norm_task, &run);
  if (unit == op->units - 1 && norm->first_row + norm->rows == norm->height) group_norm_finish(norm, run.sums);
}
