/* Plans: what dit.c and vae.c make of tensors, and what plan.c makes kernels do. A plan is a list of operations; each
 * is cut into units (at most the engine's flops: what dit_job_advance does at a time), each unit into tasks that share
 * nothing but what they read. How they are cut never changes a bit. */
#ifndef DIT_PLAN_H
#define DIT_PLAN_H

#include "lib/core/arena.h"
#include "lib/model/model.h"

/* Rows of activations, made narrow for products. */
typedef struct dit__quantized {
  uint8_t *q;
  ptrdiff_t stride; /* multiple of 4 */
  float *scale, *low;
} dit__quantized;

typedef enum dit__kind {
  DIT__PRODUCT,
  DIT__CONVOLUTION,
  DIT__NORM,
  DIT__QUANTIZE,
  DIT__ATTENTION,
  DIT__GROUP_NORM,
  DIT__AFFINE,
  DIT__CALL,
  DIT__PACKING, /* of a product's weights: a kind of unit, not of operation */
  DIT__KINDS
} dit__kind;

typedef struct dit__op dit__op;

struct dit__op {
  int32_t kind;
  int32_t rows;  /* PRODUCT, NORM, QUANTIZE, AFFINE: rows of x; CONVOLUTION, GROUP_NORM: of pixels, of a picture's */
  int32_t width; /* numbers of a row of x; GROUP_NORM: pixels of a row */
  int32_t channels;
  const dit__matrix *matrix; /* PRODUCT, CONVOLUTION; QUANTIZE: which it is for */
  const float *x;
  ptrdiff_t x_stride;
  float *out;
  ptrdiff_t out_stride;
  const float *residual;    /* of the rows of out, out_stride apart; may be out */
  dit__quantized quantized; /* PRODUCT with matrix->qgemm: x; QUANTIZE: out */
  int32_t epilogue;
  int32_t rows_per_sample;
  /* Modulation: vectors of sample s at modulation + modulation_index[s] * modulation_stride. */
  const float *modulation; /* PRODUCT: gate; NORM: shift, and scale at + width */
  const int32_t *modulation_index;
  ptrdiff_t modulation_stride;
  float eps;    /* NORM, GROUP_NORM */
  float factor; /* ATTENTION: of the logits; CALL: of what it copies */
  /* CONVOLUTION 3x3: rows first_row.. (a multiple of 4) of out [height][image_width][matrix rows] from x
   * [..][..][channels], which begins with its row x_row; AFFINE and CONVOLUTION: x * scale + shift, then silu, on the
   * way in. GROUP_NORM sums rows first_row.. of a picture of `height`, which x begins with, and writes scale and shift
   * when it has the last. */
  int32_t height, first_row, x_row, image_width, stride, upsample, silu;
  float *scale, *shift;
  const float *gamma, *beta;
  double *sums; /* GROUP_NORM: [height][groups][2], kept from band to band; NULL: all rows in one operation */
  int32_t groups;
  /* ATTENTION: q, k, v behind each other in rows of x; sample after sample */
  int32_t samples, heads, tokens, dim;
  /* CALL: anything small, in `units` pieces */
  void (*call)(const dit__op *op, const dit__kernels *kernels, int64_t unit);
  int64_t units;
  const void *argument[6];
  float *result;
  int64_t number[8];
  double flops;     /* of a unit of CALL */
  uint8_t *scratch; /* what its units work with; of the arena, but only while it runs */
};

/* How operations run: for one job or call. */
typedef struct dit__engine {
  const dit__kernels *kernels;
  const dit_options *hooks;
  int32_t threads;
  double unit_flops;
  uint8_t *scratch;  /* of the operation that runs */
  intptr_t *packing; /* microseconds of packing inside of products are added, or NULL */
} dit__engine;

/* Made by networks: dit__plan_open, dit__plan_alloc, dit__plan_add .., dit__plan_close. Without room for operations
 * it is only measured: each operation overwrites the one before. */
typedef struct dit__plan {
  const dit__engine *engine;
  dit__op *ops; /* NULL: measuring */
  int32_t count;
  int32_t open;     /* 1: the operation added last is not counted yet */
  int32_t at;       /* operation under way, */
  int64_t unit;     /* and its next unit */
  int64_t units;    /* of all operations */
  dit__arena arena; /* the workspace, while it is made */
  dit__op one;
} dit__plan;

/* The engine of a job or call on `model`; threads 0: the model's. */
void dit__engine_open(dit__engine *engine, const dit_model *model, int32_t threads);

/* workspace: where its buffers lie; dit__nowhere while it is only measured. */
void dit__plan_open(dit__plan *plan, const dit__engine *engine, dit__op *ops, uint8_t *workspace);
dit__op *dit__plan_add(dit__plan *plan, dit__kind kind); /* cleared; fill it before the next call */
void dit__plan_close(dit__plan *plan);                   /* counts the last one and gives it its scratch */

/* What the next unit is: its kind, about how large it is (for the largest of its operation), and how much of that is
 * multiplications and additions. */
typedef struct dit__unit {
  int32_t kind; /* dit__kind, or DIT__PACKING */
  double flops, useful;
} dit__unit;

dit__unit dit__plan_next(const dit__plan *plan);

/* Runs one unit; 1 while there is more. */
int32_t dit__plan_step(dit__plan *plan);

/* ---- Buffers of a plan: given out and taken back while the plan is made ---- */

void *dit__plan_alloc(dit__plan *plan, uint64_t count, size_t size);
/* As those of the arena. They end the operation that was added last: its scratch must not lie where a buffer was. */
void dit__plan_resize(dit__plan *plan, const void *block, uint64_t count, size_t size);
void dit__plan_free(dit__plan *plan, const void *block);

/* ---- parallel.c ---- */

/* Runs task(context, 0..count-1); count at most engine->threads. */
void dit__parallel(const dit__engine *engine, int32_t count, void(DIT_CALL *task)(void *context, int32_t index),
                   void *context);

#endif
