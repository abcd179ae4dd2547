/* What the files of the autoencoder share: vae.c has its operations, bands.c levels of the decoder in less memory. */
#ifndef DIT_VAE_H
#define DIT_VAE_H

#include "lib/ops/plan.h"

/* A plan of the autoencoder while it is made. */
typedef struct dit__vae_run {
  dit__plan *plan;
  const dit__vae *vae;
  int32_t height, width; /* of x */
  int32_t widest;        /* channels */
  float *x;              /* the activation that everything passes on; behind it in the arena lies nothing */
  float *scale,
      *shift;   /* of the group norm under way, per channel; for bands of all those of a level, `widest` apart */
  float *image; /* decoder: what comes out */
} dit__vae_run;

/* ---- vae.c ---- */

float *dit__vae_take(const dit__vae_run *run, int32_t height, int32_t width, int32_t channels);

/* scale and shift = group norm of x. */
dit__op *dit__vae_norm(const dit__vae_run *run, const float *x, int32_t channels, const dit__norm *norm);

/* A 3x3 convolution of x to the size of run; with `normed`, of silu(norm(x)). residual: NULL, or added to it. */
dit__op *dit__vae_convolution(const dit__vae_run *run, const dit__matrix *matrix, const float *x, int normed,
                              int32_t stride, int32_t upsample, const float *residual, float *out);

/* A matrix at `pixels` pixels. */
void dit__vae_matrix(const dit__vae_run *run, const dit__matrix *matrix, int32_t pixels, const float *x, float *out,
                     ptrdiff_t out_stride, const float *residual);

/* A copy; the two may overlap. */
void dit__vae_move(const dit__vae_run *run, const float *from, int32_t pixels, int32_t channels, float *to);

/* Rows of the picture, [row][column][image channel], to their places in run->image. */
void dit__vae_image(const dit__vae_run *run, const float *from, int32_t first_row, int32_t rows);

/* A level of the decoder, whole: x at twice the size but for the first, its blocks, and behind the last the image. */
void dit__vae_level(dit__vae_run *run, int32_t level);

/* ---- bands.c ---- */

/* The same, within `budget` bytes of the arena if that can be done, else in as few as can be; the faster the better. */
void dit__bands_level(dit__vae_run *run, int32_t level, size_t budget);

#endif
