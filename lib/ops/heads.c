/* Queries and keys of each head: their norms, and rotary positions (Su et al. 2021). */
#include "lib/core/numerics.h"

#include "lib/core/elementary.h"
#include "lib/ops/op.h"

/* ---- Norms and rotation ---- */

enum { HEADS_ROWS = 8 }; /* rows whose heads are worked on while they lie in the cache */

/* Rows first..first+count-1 of one head, all of one sample; token: that of the first row. */
static void heads_part(const dit__kernels *kernels, const dit__heads_op *op, const dit__norm *norm, float *x,
                       int64_t token, int64_t count) {
  const int32_t half = op->dim / 2;
  if (norm->gamma)
    kernels->norm(&(dit__norm_rows){.rows = (int32_t)count,
                                    .width = op->dim,
                                    .rms = op->rms,
                                    .eps = op->eps,
                                    .x = x,
                                    .scale = norm->gamma,
                                    .shift = norm->beta,
                                    .x_stride = op->stride,
                                    .out_stride = op->stride,
                                    .out = x});
  const int64_t turned = min64(count, op->rotated - token);
  if (turned > 0)
    kernels->rotate(x, op->stride, (int32_t)turned, half, op->cosine + token * half, op->sine + token * half);
}

typedef struct heads_run {
  const dit__kernels *kernels;
  const dit__heads_op *op;
  int64_t first, count;
  int32_t tasks;
} heads_run;

static void DIT_CALL heads_task(void *context, int32_t index) {
  const heads_run *run = (const heads_run *)context;
  const dit__heads_op *op = run->op;
  int64_t first, count;
  split_range(run->count, run->tasks, index, 1, &first, &count);
  first += run->first;
  while (count > 0) {
    const int64_t token = first % op->tokens, part = min64(min64(count, op->tokens - token), HEADS_ROWS);
    for (int32_t head = 0; head < op->heads; head++) {
      float *x = op->x + first * op->stride + (ptrdiff_t)head * op->dim;
      heads_part(run->kernels, op, &op->q_norm, x, token, part);
      heads_part(run->kernels, op, &op->k_norm, x + op->k_offset, token, part);
    }
    first += part;
    count -= part;
  }
}

void dit__heads_tile(const dit__engine *engine, dit__op *op) {
  const dit__heads_op *h = &op->heads;
  const double flops = 2.0 * FLOPS_PER_ELEMENT * h->samples * h->tokens * h->heads * h->dim;
  op->units = (int64_t)(flops / engine->unit_flops) + 1;
  op->unit_flops = flops / (double)op->units;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

void dit__heads_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__heads_op *h = &op->heads;
  heads_run run = {.kernels = engine->kernels, .op = h};
  split_range((int64_t)h->samples * h->tokens, (int32_t)op->units, (int32_t)unit, 1, &run.first, &run.count);
  run.tasks = task_count(engine, 2.0 * FLOPS_PER_ELEMENT * (double)run.count * h->heads * h->dim, max64(run.count, 1));
  dit__parallel(engine, run.tasks, heads_task, &run);
}

/* ---- Angles ---- */

void dit__angles_tile(const dit__engine *engine, dit__op *op) {
  const dit__angles_op *a = &op->angles;
  (void)engine;
  op->units = 1;
  op->unit_flops = 100.0 * (a->rows * a->columns + a->context) * a->dim / 2;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

/* Angles of `count` pairs at a position: position * 10000^(-j / count). */
static void angles_of(double position, int32_t count, float *cosine, float *sine) {
  for (int32_t j = 0; j < count; j++) {
    double s, c;
    dit__sincos(position * dit__exp(-9.210340371976184 * (double)j / (double)count), &s, &c);
    cosine[j] = (float)c;
    sine[j] = (float)s;
  }
}

void dit__angles_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__angles_op *a = &op->angles;
  const int32_t half = a->dim / 2, image = a->rows * a->columns, tokens = image + (a->two_dimensions ? 0 : a->context);
  (void)engine;
  (void)unit;
  for (int32_t i = 0; i < tokens; i++) {
    float *cosine = a->cosine + (ptrdiff_t)i * half, *sine = a->sine + (ptrdiff_t)i * half;
    const int32_t row = a->two_dimensions ? i / a->columns : 0, column = i - row * a->columns;
    if (a->two_dimensions) {
      angles_of(row, half / 2, cosine, sine);
      angles_of(column, half / 2, cosine + half / 2, sine + half / 2);
    } else {
      angles_of(i < image ? a->context + i : i - image, half, cosine, sine);
    }
  }
}
