/* The arithmetic, once for each instruction set: a table of functions (dit__kernels). Kernels know no model and no file
 * and allocate nothing. docs/numerics.md alone defines their results, so that every table gives the same bits. Numbers
 * are f32 unless said otherwise.
 *
 * HOW A PRODUCT IS DIVIDED
 *
 * Nearly all time goes into products, out[m][n] = epilogue(sum over k of a[m][k] * w[n][k]), with activations a (a row
 * for each token or pixel) and weights w as they lie in the model file (a row for each column of out).
 *
 *     m: rows of a              n: columns of out, rows of w
 *        and out
 *                          panel 0     panel 1     panel 2
 *                        +-----------+-----------+-------+
 *         row panel 0    |           |  a tile   |       |  MR rows
 *                        +-----------+-----------+-------+
 *         row panel 1    |           |           |       |
 *                        +-----------+-----------+-------+
 *         row panel 2    |           |           |       |
 *                        +-----------+-----------+-------+
 *                                     NR columns
 *
 * From the inside out:
 *
 *   panel         NR rows of w, packed as [k][NR], so that a vector holds neighbours in n. Zeros fill the last one.
 *   row panel     Up to MR rows of a, packed as [k][MR].
 *   microkernel   Computes the sums of one tile in registers. For each k it loads a few vectors of the panel and
 *                 multiplies them with each number of the row panel. AVX2: 6 x 16, AVX-512: 12 x 32, NEON: 12 x 8.
 *   block         KC numbers of k, which are one chain of fused multiply-adds for each sum. A panel's block stays in
 *                 L1 while the row panels of up to 24 * MR rows come from L2. The sums of earlier blocks wait in
 *                 memory (`partial`); after the last block, the epilogue is applied and the tile is stored in out.
 *   kernel call   Multiplies some rows with some panels, block by block.
 *   task          What one thread does for a unit: kernel calls, into a part of out that no other task touches. A
 *                 unit has at most one task for each thread, and fewer if starting them would take longer than they.
 *   unit          What dit_job_advance does before it looks at the clock again: a rectangle of out, small enough for
 *                 the job's time slices. Units run one after the other; the tasks of one run side by side.
 *   operation     A layer of the network: a list of units (lib/ops/plan.h).
 *
 * If the weights were packed when the model was opened, the tasks of a unit share its rows or its panels evenly.
 * Otherwise each task packs a few panels (a grain) into its own cache, multiplies all rows of the unit with them, and
 * goes on to the next; f32 rows were packed by a unit before. Tasks take grains from work queues
 * (lib/ops/work_queue.h): each has a queue with an equal share of the panels, and one whose queue is empty steals from
 * the next task's queue, so that none waits for a slow processor:
 *
 *      task 0   [panels  0  1] [ 2  3]
 *      task 1   [ 4  5] [ 6  7]
 *      task 2   [ 8  9] [10 11] [14 15]     takes panels 14 and 15 from the queue of task 3, its own being empty
 *      task 3   [12            13]          is slow
 *
 * If a unit had less than a panel for each thread, some units only pack panels, and those that follow use them.
 *
 * However a product is divided, each number of out is the same chain over each block of k, and blocks are added in
 * rising order: no division changes a bit. Attention and convolutions use the same tiles, units and tasks. */
#ifndef DIT_KERNELS_H
#define DIT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "dit.h"

enum { DIT__KC = 256 };      /* k of a block: numerics.md says so too */
enum { DIT__MR_ALIGN = 12 }; /* the rows of a task begin at a multiple of it; a multiple of every MR */
enum { DIT__TAPS = 9 };      /* the most taps of a convolution */
enum { DIT__QMAX = 127 };    /* quantised activations are 0..127, weights -127..127 */

enum { DIT__WINOGRAD_POINTS = 36 }; /* of a transformed tile */
enum { DIT__WINOGRAD_ALIGN = 12 };  /* the tiles of a task begin at a multiple of it */

/* ---- Weights ---- */

typedef enum dit__weight_type {
  DIT__F32,
  DIT__F16,
  DIT__BF16,
  DIT__I8,
  DIT__Q4 /* becomes I8 before a kernel sees it (lib/model/q4.h) */
} dit__weight_type;

typedef struct dit__q4 dit__q4;

/* Bytes of a number; meaningless for Q4, whose rows are stored in blocks. */
static inline size_t dit__type_size(int32_t type) { return type == DIT__F32 ? 4 : type == DIT__I8 ? 1 : 2; }

/* Rows of a weight matrix as they lie in the file. Element (n, k) is data[n*stride + k] if taps is 1. The k of a
 * convolution counts (tap, channel), and its element is data[n*stride + channel*taps + tap]. */
typedef struct dit__weights {
  const uint8_t *data; /* any alignment */
  const float *scale;  /* I8, Q4: the factor of each row; other types: NULL */
  ptrdiff_t stride;    /* elements from row to row */
  int32_t type;        /* dit__weight_type */
  int32_t rows, k;     /* k = taps * channels */
  int32_t taps;
  const dit__q4 *q4; /* Q4: how rows are stored in data; other types: NULL */
} dit__weights;

/* ---- Products ---- */

/* What happens to v = sum + bias[n] before it is stored. */
typedef enum dit__epilogue {
  DIT__EPILOGUE_STORE,    /* out = v */
  DIT__EPILOGUE_GELU,     /* out = gelu(v), tanh form */
  DIT__EPILOGUE_RESIDUAL, /* out = residual + v */
  DIT__EPILOGUE_GATED,    /* out = residual + gate * v, fused */
  DIT__EPILOGUE_SILU,     /* out = silu(v) */
  DIT__EPILOGUE_PRODUCT   /* out = residual * v */
} dit__epilogue;

/* A prefetch hint: memory that is read after a product. The product prefetches it into L2, a few cache lines with each
 * tile. */
typedef struct dit__prefetch {
  const uint8_t *row;      /* the first row */
  ptrdiff_t stride, width; /* bytes */
  int32_t rows;            /* 0: nothing to prefetch */
} dit__prefetch;

/* The operands of a product. Row m of a begins at a + (m / line) * line_stride + (m % line) * row_stride: rows lie in
 * lines, as those of a picture do. Its number k = tap * channels + i follows at tap_offset[tap] + i. A plain matrix has
 * one line and one tap. */
typedef struct dit__gemm {
  const float *a;
  ptrdiff_t row_stride, line_stride;
  int32_t line; /* rows of a line */
  int32_t taps, channels;
  ptrdiff_t tap_offset[DIT__TAPS];
  const float *panels; /* the first column's; panel p at panels + p * k * nr */
  int32_t columns;     /* of out; the last panel may be used in part */
  const float *bias;   /* [columns] */
  float *out;          /* [m][out_stride] */
  ptrdiff_t out_stride;
  float *packed;      /* rows 0..line-1 as pack_rows left them (one line only); NULL: each call packs its rows */
  dit__prefetch next; /* what the task reads after this product */

  /* If k is above DIT__KC, the sums between blocks, [panel][partial_rows][nr], with m counting as in out. */
  float *partial;
  ptrdiff_t partial_rows;

  /* The epilogue. The gate of row m is row gate_rows[(first_row + m) / rows_per_sample] of `gate`. */
  int32_t epilogue;      /* dit__epilogue */
  const float *residual; /* [m][residual_stride]; may be out */
  ptrdiff_t residual_stride;
  const float *gate; /* [][gate_stride] */
  const int32_t *gate_rows;
  ptrdiff_t gate_stride;
  int32_t first_row, rows_per_sample;
} dit__gemm;

/* The operands of a low-precision product (int8 or bfloat16 inputs), whose k come in groups that fill 32 bits. With
 * int8, a is quantised, x = low + scale * q with low and scale of each row, and
 *
 *     out = epilogue((scale * sum(q * w) + low * sum(w)) * weight_scale[n] + bias[n])
 *
 * Panels are [group][nr] of 4 bytes, each with nr floats behind it: sum(w) of each row of w (int8; unused
 * otherwise). */
typedef struct dit__qgemm {
  const uint8_t *a; /* [m][a_stride], zeros behind k */
  ptrdiff_t a_stride;
  const float *row_scale, *row_low; /* int8: [m] */
  const uint8_t *panels;
  int32_t groups;            /* of a row */
  const float *weight_scale; /* int8: [columns] */
  dit__gemm to;              /* columns, bias, out, residual, gate, epilogue, next; the rest is not used */
} dit__qgemm;

/* The kernels of one low-precision type. */
typedef struct dit__qgemm_kernel {
  int32_t nr;    /* columns of a panel; 0: this instruction set has no such products */
  int32_t group; /* numbers of 32 bits: 4 of int8, 2 of bfloat16 */

  /* As `pack` of dit__kernels. int8 takes I8 only, bfloat16 any type but Q4. */
  void (*pack)(const dit__weights *w, int32_t first, int32_t count, uint8_t *panels);

  /* Converts activations. int8: q = round((x - low) / scale), with low and scale from the smallest and the largest
   * number of each row. q_stride is a multiple of 4; zeros fill the row up to it. */
  void (*quantize)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, uint8_t *q, ptrdiff_t q_stride,
                   float *row_scale, float *row_low);

  /* Computes rows first..first+count-1 of out, all columns. */
  void (*gemm)(const dit__qgemm *p, int32_t first, int32_t count);
} dit__qgemm_kernel;

/* ---- Attention and convolutions ---- */

/* Attention of one head. */
typedef struct dit__attention {
  int32_t tokens, dim;
  const float *q; /* [tokens][q_stride] */
  ptrdiff_t q_stride;
  const float *keys;   /* packed: panels of nr keys, [dim][nr] */
  const float *values; /* packed: panels of nr channels, [tokens][nr] */
  float scale;         /* of the logits */
  float *out;          /* [tokens][out_stride] */
  ptrdiff_t out_stride;
} dit__attention;

/* The norm of rows [rows][width] of x, to out, which may be x. Each row becomes (x - mean) / deviation, or with rms
 * x / root mean square; then, where the pointers are not NULL, it is multiplied with gamma, multiplied with base + scale,
 * and shift is added (fused with the product). */
typedef struct dit__norm_rows {
  int32_t rows, width, rms;
  float eps, base;
  const float *x, *gamma, *scale, *shift; /* scale must be given */
  ptrdiff_t x_stride, out_stride;
  float *out;
} dit__norm_rows;

/* A 3x3 convolution with stride 1 and a border of zeros by Winograd's F(4x4, 3x3) (winograd.h). Tiles of 4x4 pixels of
 * out are numbered along rows of tiles. */
typedef struct dit__winograd {
  const float *x;        /* [height][width][channels]; half as high and wide with upsample */
  int32_t height, width; /* of out */
  int32_t channels, upsample;
  int32_t x_row, out_row;     /* the rows of the picture that x and out (and residual) begin with */
  const float *scale, *shift; /* [channels]: the input becomes silu(x * scale + shift) first; or NULL */
  float *tiles;               /* transformed tiles from `first` on: 36 * point_stride floats */
  ptrdiff_t point_stride;     /* dit__winograd_point floats */
  int32_t first;              /* the tile that `tiles` begins with */
  int32_t columns;            /* of out */
  const float *panels;        /* from winograd_filter; the first column's */
  const float *bias;          /* [columns] */
  const float *residual;      /* as out, or NULL; may be out */
  float *out;                 /* [height][width][out_stride] */
  ptrdiff_t out_stride;
} dit__winograd;

/* ---- The table ---- */

typedef struct dit__kernels {
  int32_t isa; /* DIT_ISA_* */
  int32_t nr;  /* columns of a panel */

  /* Packing. `pack` makes panels of rows first..first+count-1 of w, of any type but Q4; only the last panel may be
   * incomplete. `pack_columns` makes them from b[k][stride], as attention needs its values. `pack_rows` packs rows
   * 0..line-1 of p->a into p->packed (dit__packed_rows floats): part `part` of `parts`, in any order. `convert`
   * converts `count` numbers of any type but Q4 to f32, exactly (I8: times scale). */
  void (*pack)(const dit__weights *w, int32_t first, int32_t count, float *panels);
  void (*pack_columns)(const float *b, ptrdiff_t stride, int32_t k, int32_t columns, float *panels);
  void (*pack_rows)(const dit__gemm *p, int32_t part, int32_t parts);
  void (*convert)(int32_t type, const uint8_t *x, int64_t count, float scale, float *out);

  /* Products: rows first..first+count-1 of out, all columns; with p->packed, of all rows of the line. scratch:
   * dit__gemm_scratch floats; with p->packed it may be NULL. */
  void (*gemm)(const dit__gemm *p, int32_t first, int32_t count, float *scratch);
  dit__qgemm_kernel i8, bf16;

  /* Attention of queries first..first+count-1 to all keys. scratch: dit__attention_scratch floats, aligned to 64
   * bytes. */
  void (*attention)(const dit__attention *a, int32_t first, int32_t count, float *scratch);

  /* Convolutions. `winograd_filter` packs as `pack`, dit__winograd_panel floats each panel. `winograd_input` transforms
   * tiles w->first + first .. of `count` (first is a multiple of DIT__WINOGRAD_ALIGN); `winograd_output` multiplies
   * such tiles with all columns and stores their pixels. scratch: dit__winograd_scratch floats. */
  void (*winograd_filter)(const dit__weights *w, int32_t first, int32_t count, float *panels);
  void (*winograd_input)(const dit__winograd *w, int32_t first, int32_t count);
  void (*winograd_output)(const dit__winograd *w, int32_t first, int32_t count, float *scratch);

  /* Rows. norm: see dit__norm_rows. rotate turns pairs of numbers of each row, x[i] and x[half + i], by an angle of the
   * row's own, [rows][half] cosines and sines: (a, b) becomes (a cos - b sin, b cos + a sin). affine: out = x * scale[c] + shift[c], fused, then silu if asked, over `pixels` of `channels`, x_step floats
   * apart in x (0: the same pixel again) and without gaps in out. channel_sums: sums and sums of squares of each
   * channel over the pixels of a row, in double. */
  void (*norm)(const dit__norm_rows *n);
  void (*rotate)(float *x, ptrdiff_t x_stride, int32_t rows, int32_t half, const float *cosine, const float *sine);
  void (*silu)(const float *x, int64_t count, float *out);
  void (*affine)(const float *x, ptrdiff_t x_step, int32_t pixels, int32_t channels, const float *scale,
                 const float *shift, int32_t silu, float *out);
  void (*channel_sums)(const float *x, int32_t pixels, int32_t channels, double *sum, double *squares);
} dit__kernels;

/* Sizes in floats, for any instruction set unless nr is given. */
int64_t dit__gemm_scratch(void);
int64_t dit__packed_rows(int32_t rows, int32_t k);
int64_t dit__attention_scratch(int32_t dim);
int64_t dit__winograd_panel(int32_t channels, int32_t nr);
int64_t dit__winograd_point(int32_t tiles, int32_t channels);
int64_t dit__winograd_scratch(int32_t tiles, int32_t columns);

/* Fills the table of an instruction set (0: the best that is present); returns 0 if this build or processor lacks
 * it. */
int32_t dit__kernels_get(int32_t isa, dit__kernels *table);

/* One for each instruction set: overrides the entries of the table that it improves. */
void dit__kernels_scalar(dit__kernels *table);
void dit__kernels_neon(dit__kernels *table);
void dit__kernels_neondot(dit__kernels *table);
void dit__kernels_avx2(dit__kernels *table);
void dit__kernels_avxvnni(dit__kernels *table);
void dit__kernels_avx512(dit__kernels *table);
void dit__kernels_avx512vnni(dit__kernels *table);
void dit__kernels_avx512bf16(dit__kernels *table);

#endif
