/* The arithmetic, once per instruction set: a table of functions. Kernels know no model and no file; the result of each
 * is defined by docs/numerics.md alone, so every table gives the same bits. Arrays are f32 unless said otherwise.
 *
 * Products have the form out[m][n] = epilogue(sum over k of a[m][k] * w[n][k]). Weights are packed into panels of `nr`
 * rows of w, panel[k][nr], zeros behind the last row, so that a vector holds neighbouring n. */
#ifndef DIT_KERNELS_H
#define DIT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "dit.h"

enum { DIT__KC = 256 };                                       /* k of one chain of fused multiply-adds */
enum { DIT__MR_ALIGN = 12 };                                  /* rows of tasks begin at multiples of it */
enum { DIT__TAPS = 9 };                                       /* most taps of a convolution */
enum { DIT__WINOGRAD_POINTS = 36, DIT__WINOGRAD_ALIGN = 12 }; /* of a tile; of tiles that tasks share */
enum { DIT__QMAX = 127 };                                     /* quantised activations are 0..127, weights -127..127 */

typedef enum dit__weight_type {
  DIT__F32,
  DIT__F16,
  DIT__BF16,
  DIT__I8,
  DIT__Q4 /* becomes I8 before a kernel sees it (q4.h) */
} dit__weight_type;

typedef struct dit__q4 dit__q4;

/* Bytes of a number; not of Q4, whose rows lie in blocks. */
static inline size_t dit__type_size(int32_t type) { return type == DIT__F32 ? 4 : type == DIT__I8 ? 1 : 2; }

/* Rows of a weight matrix as they lie in the file. Element (n, k): for taps 1 data[n*stride + k]; for a convolution,
 * whose k counts (tap, channel), data[n*stride + channel*taps + tap]. */
typedef struct dit__weights {
  const uint8_t *data; /* any alignment */
  const float *scale;  /* I8, Q4: one factor a row */
  ptrdiff_t stride;    /* elements from row to row */
  int32_t type;        /* dit__weight_type */
  int32_t rows, k;     /* k = taps * channels */
  int32_t taps;
  const dit__q4 *q4; /* Q4: how rows lie in data */
} dit__weights;

/* What happens to v = sum + bias[n] as a tile leaves the registers. */
typedef enum dit__epilogue {
  DIT__EPILOGUE_STORE,    /* out = v */
  DIT__EPILOGUE_GELU,     /* out = gelu(v), tanh form */
  DIT__EPILOGUE_RESIDUAL, /* out = residual + v */
  DIT__EPILOGUE_GATED     /* out = residual + gate * v, fused */
} dit__epilogue;

/* Memory that will be read soon: a product brings it to the second cache on its way, a few lines with each tile. */
typedef struct dit__prefetch {
  const uint8_t *row;      /* the first one */
  ptrdiff_t stride, width; /* bytes */
  int32_t rows;
} dit__prefetch;

/* Row m of a lies at a + (m / line) * line_stride + (m % line) * row_stride; its k-th number, k = tap * channels + i,
 * at tap_offset[tap] + i. A plain matrix has one tap. */
typedef struct dit__gemm {
  const float *a;
  ptrdiff_t row_stride, line_stride;
  int32_t line;
  int32_t taps, channels;
  ptrdiff_t tap_offset[DIT__TAPS];
  const float *panels; /* of the first column; panel p at panels + p * k * nr */
  int32_t columns;     /* of out; the last panel may be partly used */
  const float *bias;   /* [columns] */
  float *out;          /* [m][out_stride] */
  ptrdiff_t out_stride;
  float *packed;      /* rows 0..line-1, from pack_rows, and there is one line; NULL: each call packs what it needs */
  dit__prefetch next; /* what the task reads after this; no rows: nothing */
  float *partial;     /* k above a block: sums between blocks, [panel][partial_rows][nr]; row m is that of out */
  ptrdiff_t partial_rows;
  const float *residual; /* [m][residual_stride]; may be out */
  ptrdiff_t residual_stride;
  const float *gate; /* [columns] of row gate_rows[(first_row + m) / rows_per_sample], gate_stride apart */
  const int32_t *gate_rows;
  ptrdiff_t gate_stride;
  int32_t first_row, rows_per_sample;
  int32_t epilogue; /* dit__epilogue */
} dit__gemm;

/* The same for narrow numbers, in groups of k that fill 32 bits (see dit__qgemm_kernel). With int8, a is quantised, x = low +
 * scale * q per row, and out = epilogue((scale*dot + low*sum) * weight_scale[n] + bias[n]). Panels are [groups][nr] of 4
 * bytes, then nr float sums of each row of w (int8). */
typedef struct dit__qgemm {
  const uint8_t *a; /* [m][a_stride], a multiple of 4, zeros behind k */
  ptrdiff_t a_stride;
  const float *row_scale, *row_low; /* int8: [m] */
  const uint8_t *panels;
  int32_t groups;
  const float *weight_scale; /* int8: [columns] */
  dit__gemm to;              /* columns, bias, out, residual, gate, epilogue, next */
} dit__qgemm;

/* Products of one kind of narrow numbers. */
typedef struct dit__qgemm_kernel {
  int32_t nr;    /* columns of a panel; 0: this instruction set has no such products */
  int32_t group; /* numbers of 32 bits: 4 of int8, 2 of bfloat16 */
  void (*pack)(const dit__weights *w, int32_t first, int32_t count, uint8_t *panels);
  /* Activations of `width` to q. int8: q = round((x - low) / scale) per row, low and scale from its smallest and
   * largest number. */
  void (*quantize)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, uint8_t *q, ptrdiff_t q_stride,
                   float *row_scale, float *row_low);
  void (*gemm)(const dit__qgemm *p, int32_t first, int32_t count);
} dit__qgemm_kernel;

/* One head: queries first..first+count-1 against all keys. */
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

/* A 3x3 convolution with stride 1 and a border of zeros by Winograd's F(4x4, 3x3): tiles of 4x4 pixels, numbered along
 * rows of tiles. */
typedef struct dit__winograd {
  const float *x; /* [height][width][channels]; with upsample of half that size, each pixel counting four times */
  int32_t height, width; /* of out */
  int32_t channels, upsample;
  int32_t x_row, out_row;     /* rows of the picture that x and out (and residual) begin with */
  const float *scale, *shift; /* [channels]: of silu(x * scale + shift) on the way in, or NULL */
  float *tiles;               /* transformed pictures of the tiles from `first` on, dit__winograd_tiles floats */
  ptrdiff_t point_stride;     /* dit__winograd_point floats */
  int32_t first, columns;     /* columns of out */
  const float *panels;        /* from winograd_filter; of the first column */
  const float *bias;          /* [columns] */
  const float *residual;      /* as out, or NULL; may be out */
  float *out;                 /* [height][width][out_stride] */
  ptrdiff_t out_stride;
} dit__winograd;

typedef struct dit__kernels {
  int32_t isa; /* DIT_ISA_* */
  int32_t nr;  /* columns of a panel */

  /* Packs columns first..first+count-1 (whole panels but for the last) of w; f32 from any type. */
  void (*pack)(const dit__weights *w, int32_t first, int32_t count, float *panels);
  /* Panels from a matrix that lies [k][columns] with rows `stride` apart: the values of attention. */
  void (*pack_columns)(const float *b, ptrdiff_t stride, int32_t k, int32_t columns, float *panels);

  /* Kernels of a convolution, transformed; dit__winograd_panel floats each panel. */
  void (*winograd_filter)(const dit__weights *w, int32_t first, int32_t count, float *panels);
  /* Tiles w->first + first.. are transformed (first a multiple of DIT__WINOGRAD_ALIGN); then those first.. are
   * multiplied with all columns and become pixels of out. scratch: dit__winograd_scratch floats. */
  void (*winograd_input)(const dit__winograd *w, int32_t first, int32_t count);
  void (*winograd_output)(const dit__winograd *w, int32_t first, int32_t count, float *scratch);

  /* Packs rows 0..line-1 of a into `packed`, dit__packed_rows floats: part `part` of `parts`, in any order. */
  void (*pack_rows)(const dit__gemm *p, int32_t part, int32_t parts);
  /* Rows first..first+count-1 of out, all columns; with `packed`, of all rows. scratch: dit__gemm_scratch floats. */
  void (*gemm)(const dit__gemm *p, int32_t first, int32_t count, float *scratch);
  dit__qgemm_kernel i8, bf16;

  /* scratch: dit__attention_scratch floats, aligned to 64 bytes. */
  void (*attention)(const dit__attention *a, int32_t first, int32_t count, float *scratch);

  /* out = LayerNorm(x) * (1 + scale) + shift over rows of `width`; one shift and scale for all rows. */
  void (*norm_modulate)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, float eps, const float *shift,
                        const float *scale, float *out, ptrdiff_t out_stride);
  void (*silu)(const float *x, int64_t count, float *out);
  /* out = x * scale[c] + shift[c] (fused), then silu if asked, over `pixels` of `channels`; the pixel x_step floats
   * further is the next. */
  void (*affine)(const float *x, ptrdiff_t x_step, int32_t pixels, int32_t channels, const float *scale,
                 const float *shift, int32_t silu, float *out);
  /* Sums and sums of squares per channel over the pixels of a row, in double. */
  void (*channel_sums)(const float *x, int32_t pixels, int32_t channels, double *sum, double *squares);
  /* Any stored type to f32, exactly (I8: times scale). */
  void (*convert)(int32_t type, const uint8_t *x, int64_t count, float scale, float *out);
} dit__kernels;

/* Floats of scratch that a product needs, and attention for heads of `dim` channels. */
int64_t dit__gemm_scratch(void);
int64_t dit__packed_rows(int32_t rows, int32_t k);
int64_t dit__attention_scratch(int32_t dim);
int64_t dit__winograd_panel(int32_t channels, int32_t nr);
int64_t dit__winograd_point(int32_t tiles, int32_t channels);
int64_t dit__winograd_scratch(int32_t tiles, int32_t columns);

/* Fills the table of an instruction set (0: the best that is present); 0 if this build or processor lacks it. */
int32_t dit__kernels_get(int32_t isa, dit__kernels *table);

/* One per instruction set; each overrides entries of the table it is given. */
void dit__kernels_scalar(dit__kernels *table);
void dit__kernels_neon(dit__kernels *table);
void dit__kernels_neondot(dit__kernels *table);
void dit__kernels_avx2(dit__kernels *table);
void dit__kernels_avxvnni(dit__kernels *table);
void dit__kernels_avx512(dit__kernels *table);
void dit__kernels_avx512vnni(dit__kernels *table);
void dit__kernels_avx512bf16(dit__kernels *table);

#endif
