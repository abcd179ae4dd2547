/* Operations: a tagged union. Each kind has a struct of arguments here, a file that tiles and runs it, and a row in the
 * table of plan.c.
 *
 * When an operation is added to a plan, its row's `tile` function decides how it is cut into units, and stores that with
 * the operation: nothing is computed again while units run. A tiling never changes a bit of the result. */
#ifndef DIT_OP_H
#define DIT_OP_H

#include "lib/ops/engine.h"
#include "lib/ops/tiling.h"

typedef enum dit__op_kind {
  DIT__OP_GEMM,
  DIT__OP_QUANTIZE,
  DIT__OP_CONV_GEMM,
  DIT__OP_CONV_WINOGRAD,
  DIT__OP_ATTENTION,
  DIT__OP_LAYER_NORM,
  DIT__OP_GROUP_NORM,
  DIT__OP_AFFINE,
  DIT__OP_ELEMENTWISE,
  DIT__OP_PATCHIFY,
  DIT__OP_UNPATCHIFY,
  DIT__OP_APPEND,
  DIT__OP_HEADS,
  DIT__OP_ANGLES,
  DIT__OP_POSITIONS,
  DIT__OP_TIMESTEPS,
  DIT__OP_CONDITIONS,
  DIT__OP_TO_PIXELS,
  DIT__OP_TO_PLANES,
  DIT__OP_KINDS
} dit__op_kind;

/* Vectors that modulate rows (adaLN): those of sample s begin at vectors + index[s] * stride, and sample s has
 * rows_per_sample rows. */
typedef struct dit__modulation {
  const float *vectors;
  const int32_t *index;
  ptrdiff_t stride;
  int32_t rows_per_sample;
} dit__modulation;

/* Rows of activations, quantized for a low-precision GEMM. */
typedef struct dit__quantized {
  uint8_t *q;
  ptrdiff_t stride; /* bytes, a multiple of 4 */
  float *scale, *low;
} dit__quantized;

/* out [rows][matrix rows] = epilogue(x [rows][k] * matrix). */
typedef struct dit__gemm_op {
  const dit__matrix *matrix;
  int32_t rows;
  dit__epilogue epilogue;
  const float *x;
  ptrdiff_t x_stride;
  dit__quantized quantized; /* x, if the matrix has a qgemm */
  float *out;
  ptrdiff_t out_stride;
  const float *residual; /* rows out_stride apart; may be out */
  dit__modulation gate;  /* DIT__EPILOGUE_GATED */
  dit__gemm_tiling tiling;
} dit__gemm_op;

/* out = quantized rows of x [rows][k of the matrix]. */
typedef struct dit__quantize_op {
  const dit__matrix *matrix; /* whose qgemm will read them */
  int32_t rows;
  const float *x; /* packed */
  dit__quantized out;
} dit__quantize_op;

/* A 3x3 convolution of channel-last pixels: rows first_row .. first_row + rows - 1 of out [height][width][matrix rows],
 * which `out` begins with, from x, which begins with its row x_row. For Winograd first_row is a multiple of 4. */
typedef struct dit__conv_op {
  const dit__matrix *matrix;
  int32_t height, width, first_row, rows;
  int32_t channels; /* of x */
  int32_t stride;   /* 1 or 2; 2 pads below and to the right only */
  int32_t upsample; /* 1: each pixel of x counts as 2 x 2 */
  int32_t x_row;
  const float *x;
  const float *scale, *shift; /* [channels]: the convolution reads silu(x * scale + shift); NULL: x itself */
  const float *residual;      /* added; laid out as out, and may be out. NULL: none */
  float *out;
  union {
    dit__conv_gemm_tiling gemm;
    dit__winograd_tiling winograd;
  } tiling;
} dit__conv_op;

/* out = softmax(scale q k^T) v for each sample and head: `heads` heads of `dim` channels lie behind each other in the
 * rows of q [samples * queries], k and v, and out. k and v of sample s begin kv_index[s] * kv_sample_stride numbers
 * further than those of index 0, and have `keys` rows, of which lengths[s] (at least 1) are attended to. */
typedef struct dit__attention_op {
  int32_t samples, heads, queries, keys, dim;
  float scale;
  const float *q, *k, *v;
  ptrdiff_t q_stride, kv_stride, kv_sample_stride;
  const int32_t *kv_index; /* [samples]; NULL: s */
  const int32_t *lengths;  /* [samples]; NULL: `keys` for all */
  float *out;
  ptrdiff_t out_stride;
  dit__attention_tiling tiling;
} dit__attention_op;

/* out = norm(x) * (1 + scale) + shift, or norm(x) * gamma + beta, over packed rows of `width` numbers; modulated RMS norms
 * have a gamma, too. Of each sample's x_rows rows of x the first rows_per_sample are taken. */
typedef struct dit__layer_norm_op {
  int32_t rows, width; /* rows: of all samples, of out */
  int32_t rows_per_sample, x_rows;
  int32_t rms, modulated;
  float eps;
  const float *x;
  float *out;
  dit__norm norm;             /* gamma and beta, or NULL */
  dit__modulation modulation; /* if modulated: vectors are shift, and scale `width` numbers further */
} dit__layer_norm_op;

/* scale and shift [channels] such that x * scale + shift = GroupNorm(x) (Wu & He 2018), for an image [height][width]
 * [channels]. Sums the image's rows first_row .. first_row + rows - 1, which x begins with; the operation that has the
 * last row writes the result. */
typedef struct dit__group_norm_op {
  int32_t height, width, channels, groups;
  int32_t first_row, rows;
  float eps;
  const float *x;
  const float *gamma, *beta; /* [channels] */
  float *scale, *shift;
  double *sums; /* [height][groups][2], kept from operation to operation; NULL: one operation has all rows */
} dit__group_norm_op;

/* out = x * scale + shift over packed rows of `width` channels. */
typedef struct dit__affine_op {
  int32_t rows, width;
  const float *x, *scale, *shift;
  float *out;
} dit__affine_op;

typedef enum dit__elementwise {
  DIT__COPY, /* out = x; the two may overlap */
  DIT__ADD,  /* out = out + x */
  DIT__RSUB, /* out = x - out */
  DIT__SILU, /* out = silu(out) */
} dit__elementwise;

typedef struct dit__elementwise_op {
  dit__elementwise function;
  int64_t count;
  const float *x;
  float *out;
} dit__elementwise_op;

/* Between latents [channels][height][width] and tokens [tokens][channels * patch * patch], `samples` of them. */
typedef struct dit__patch_op {
  int32_t samples, height, width, channels, patch;
  int32_t latents; /* PATCHIFY: sample s reads latent s % latents */
  const float *from;
  float *to;
} dit__patch_op;

/* Norms and rotary positions of queries and keys, in place: head h of row i has its query at x + i * stride + h * dim,
 * and its key k_offset numbers further. The first `rotated` tokens of each sample are turned, each by angles [rotated]
 * [dim / 2] between channels j and j + dim / 2. */
typedef struct dit__heads_op {
  int32_t samples, tokens, heads, dim, rotated, rms;
  float eps;
  dit__norm q_norm, k_norm; /* [dim]; gamma NULL: none */
  float *x;
  ptrdiff_t stride, k_offset;
  const float *cosine, *sine;
} dit__heads_op;

/* cosine and sine [tokens][dim / 2] of the angles of a grid of rows x columns tokens, and of `context` tokens behind them.
 * In two dimensions the first half of the angles is that of a token's row, the second half that of its column, and
 * context tokens have none. In one, context tokens count from 0, and those of the image after them. */
typedef struct dit__angles_op {
  int32_t rows, columns, context, dim, two_dimensions;
  float *cosine, *sine;
} dit__angles_op;

/* out [samples][tokens + context][width] = from [samples][tokens][width], and behind the tokens of each sample `context`
 * more: token j is vector j * vector_count / context of the sample, plus row j of `positions`, if it is given. */
typedef struct dit__append_op {
  int32_t samples, tokens, context, width, vector_count;
  const float *from;
  dit__modulation vectors; /* vector_count of a sample lie behind each other */
  const dit__weights *positions;
  float *out;
} dit__append_op;

/* out [samples][rows * columns][hidden] = the position embeddings of a grid of patches, the same for each sample. */
typedef struct dit__positions_op {
  const dit__transformer *dit;
  int32_t samples, rows, columns;
  float *out;
} dit__positions_op;

/* out [count][256] = the sinusoidal embedding of each timestep. */
typedef struct dit__timesteps_op {
  int32_t count, divisor; /* see dit__timestep_embedding */
  const double *timesteps;
  float *out;
} dit__timesteps_op;

/* A condition: the embedding of a, or (1 - mix) a + mix b. */
typedef struct dit__condition {
  int32_t a, b; /* rows of the embedding table; b -1: none */
} dit__condition;

/* Which rows of modulation are asked for: of each of `steps` timesteps with each of `conditions`, in row step *
 * conditions + condition; or, paired, of timestep i with condition i, in row i. */
typedef struct dit__modulation_request {
  int32_t steps, conditions, paired;
  float mix;
  const double *timesteps;         /* [steps] */
  const double *second_timesteps;  /* [steps], of a network that takes two times */
  const dit__condition *condition; /* [conditions] */
} dit__modulation_request;

/* out [rows of the request][hidden] = silu(time [steps][hidden] + label), or [rows][2][hidden] = time and label. */
typedef struct dit__conditions_op {
  const dit__transformer *dit;
  int32_t apart;                          /* 1: the second */
  const dit__modulation_request *request; /* read when the operation runs */
  const float *time;
  float *labels; /* scratch [2][hidden] */
  float *out;
  float *label_out; /* receives the label of each row, label_stride numbers apart; NULL: none does */
  ptrdiff_t label_stride;
} dit__conditions_op;

/* TO_PIXELS: to [pixels][channels] = from [channels][pixels] * factor. TO_PLANES: to [channel][pixel], planes `plane`
 * numbers apart, = from [pixel][channel], pixels `stride` numbers apart, clamped to [low, high]. */
typedef struct dit__planes_op {
  int32_t pixels, channels;
  float factor, low, high;
  int64_t stride, plane;
  const float *from;
  float *to;
} dit__planes_op;

typedef struct dit__op {
  dit__op_kind kind;
  /* Stored by `tile`: */
  int64_t units;
  double unit_flops;   /* about how much work the largest unit is */
  double useful_flops; /* multiplications and additions of all units on weights and tokens; 0: not counted */
  size_t scratch_bytes;
  uint8_t *scratch; /* what its units work with; it lies in the workspace, and is theirs only while they run */
  union {
    dit__gemm_op gemm;
    dit__quantize_op quantize;
    dit__conv_op conv;
    dit__attention_op attention;
    dit__layer_norm_op layer_norm;
    dit__group_norm_op group_norm;
    dit__affine_op affine;
    dit__elementwise_op elementwise;
    dit__patch_op patch;
    dit__append_op append;
    dit__heads_op heads;
    dit__angles_op angles;
    dit__positions_op positions;
    dit__timesteps_op timesteps;
    dit__conditions_op conditions;
    dit__planes_op planes;
  };
} dit__op;

/* What the next unit is: its kind, about how large it is, and how much of that is useful (see dit__op). */
typedef struct dit__unit {
  int32_t kind; /* dit__op_kind, or DIT__UNIT_PACKING */
  double flops, useful;
} dit__unit;

/* Units that are no operation's own kind, and their number. */
enum { DIT__UNIT_PACKING = DIT__OP_KINDS, DIT__UNIT_SAMPLING, DIT__UNIT_KINDS };

/* A row of the table of kinds. */
typedef struct dit__op_type {
  const char *name; /* as dit_job_profile reports it */
  /* Decides how the operation is cut, and stores units, unit_flops, useful_flops and scratch_bytes. */
  void (*tile)(const dit__engine *engine, dit__op *op);
  void (*run)(const dit__engine *engine, const dit__op *op, int64_t unit);
  /* What a unit is; NULL: all units are alike. */
  dit__unit (*unit)(const dit__op *op, int64_t unit);
} dit__op_type;

extern const dit__op_type dit__op_types[DIT__OP_KINDS];

/* ---- The functions of the table, by file ---- */

/* gemm.c */
void dit__gemm_tile(const dit__engine *engine, dit__op *op);
void dit__gemm_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
dit__unit dit__gemm_unit_size(const dit__op *op, int64_t unit);
/* conv_gemm.c */
void dit__conv_gemm_tile(const dit__engine *engine, dit__op *op);
void dit__conv_gemm_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* conv_winograd.c */
void dit__winograd_tile(const dit__engine *engine, dit__op *op);
void dit__winograd_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* attention.c */
void dit__attention_tile(const dit__engine *engine, dit__op *op);
void dit__attention_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* rows.c */
void dit__quantize_tile(const dit__engine *engine, dit__op *op);
void dit__quantize_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
void dit__layer_norm_tile(const dit__engine *engine, dit__op *op);
void dit__layer_norm_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
void dit__affine_tile(const dit__engine *engine, dit__op *op);
void dit__affine_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* group_norm.c */
void dit__group_norm_tile(const dit__engine *engine, dit__op *op);
void dit__group_norm_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* elementwise.c */
void dit__elementwise_tile(const dit__engine *engine, dit__op *op);
void dit__elementwise_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* patches.c */
void dit__patch_tile(const dit__engine *engine, dit__op *op);
void dit__patchify_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
void dit__unpatchify_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* heads.c */
void dit__heads_tile(const dit__engine *engine, dit__op *op);
void dit__heads_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
void dit__angles_tile(const dit__engine *engine, dit__op *op);
void dit__angles_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* append.c */
void dit__append_tile(const dit__engine *engine, dit__op *op);
void dit__append_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* positions.c */
void dit__positions_tile(const dit__engine *engine, dit__op *op);
void dit__positions_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* conditions.c */
void dit__timesteps_tile(const dit__engine *engine, dit__op *op);
void dit__timesteps_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
void dit__conditions_tile(const dit__engine *engine, dit__op *op);
void dit__conditions_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
/* planes.c */
void dit__planes_tile(const dit__engine *engine, dit__op *op);
void dit__to_pixels_unit(const dit__engine *engine, const dit__op *op, int64_t unit);
void dit__to_planes_unit(const dit__engine *engine, const dit__op *op, int64_t unit);

#endif
