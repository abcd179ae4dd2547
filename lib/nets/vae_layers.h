/* Layers of the autoencoder, for the files that make plans of them. Activations are channel-last,
 * [row][column][channel], of one image at a time. */
#ifndef DIT_VAE_LAYERS_H
#define DIT_VAE_LAYERS_H

#include "lib/ops/plan.h"

/* A plan of the autoencoder while it is made. */
typedef struct dit__vae_run {
  dit__plan *plan;
  const dit__vae *vae;
  int32_t height, width; /* of x */
  int32_t max_channels;  /* of any activation */
  float *x;              /* the activation that layers pass on; nothing lies behind it in the workspace */
  float *scale, *shift;  /* [max_channels] of the group norm under way; bands keep those of all norms of a level,
                             max_channels apart */
  float *image;          /* decoder: the output */
} dit__vae_run;

/* Begins a plan for x of height x width with room for `norms` group norms, and ends it. */
dit__vae_run dit__vae_begin(dit__plan *plan, const dit__vae *vae, const dit__vae_coder *coder, int32_t norms,
                            int32_t height, int32_t width);
void dit__vae_end(dit__vae_run *run);

float *dit__vae_alloc(const dit__vae_run *run, int32_t height, int32_t width, int32_t channels);
void dit__vae_replace(dit__vae_run *run, float *y); /* frees x and makes y the new x */

/* ---- Single operations ---- */

/* The group norm of all rows of x into run->scale and run->shift; arguments that bands change before adding it. */
dit__group_norm_op dit__vae_norm(const dit__vae_run *run, const float *x, int32_t channels, const dit__norm *norm);
void dit__vae_add_norm(const dit__vae_run *run, const dit__group_norm_op *norm);

/* A 3x3 convolution of x to the size of run; likewise. normed: of silu(norm(x)). residual: added, or NULL. */
dit__conv_op dit__vae_conv(const dit__vae_run *run, const dit__matrix *matrix, const float *x, int normed,
                           const float *residual, float *out);
void dit__vae_add_conv(const dit__vae_run *run, const dit__conv_op *conv);

/* out [pixels][out_stride] = x [pixels][k] * matrix + residual (NULL: none). */
void dit__vae_linear(const dit__vae_run *run, const dit__matrix *matrix, int32_t pixels, const float *x, float *out,
                     ptrdiff_t out_stride, const float *residual);

void dit__vae_copy(const dit__vae_run *run, const float *from, int32_t pixels, int32_t channels, float *to);

/* to [pixel][channel] = from [channel][pixel] * factor, for as many pixels as x has. */
void dit__vae_from_planes(const dit__vae_run *run, const float *from, int32_t channels, float factor, float *to);

/* to [channel][pixel] = the first `channels` channels of from [pixel][stride], clamped to [low, high]. */
void dit__vae_to_planes(const dit__vae_run *run, const float *from, int32_t channels, int32_t stride, float low,
                        float high, float *to);

/* Moves `rows` rows of the image, [row][column][image channel], to their places in run->image. */
void dit__vae_image_rows(const dit__vae_run *run, const float *from, int32_t first_row, int32_t rows);

/* ---- Layers: each replaces x ---- */

void dit__vae_resnet(dit__vae_run *run, const dit__resnet *resnet);
void dit__vae_mid_block_layers(dit__vae_run *run, const dit__vae_mid_block *mid_block, int32_t channels);
/* The convolution of x at twice its size (of nearest neighbours), or at half of it. */
void dit__vae_upsample(dit__vae_run *run, const dit__matrix *matrix);
void dit__vae_downsample(dit__vae_run *run, const dit__matrix *matrix);
void dit__vae_conv_in(dit__vae_run *run, const dit__vae_coder *coder);
void dit__vae_conv_out(dit__vae_run *run, const dit__vae_coder *coder);
void dit__vae_conv_1x1(dit__vae_run *run, const dit__matrix *matrix);

/* The resnets of a level, each with its attention if the level attends. */
void dit__vae_level(dit__vae_run *run, const dit__vae_coder *coder, int32_t level, int32_t attends);

/* A level of the decoder: x at twice the size (not in the first level), its resnets, and behind the last the image. */
void dit__vae_decoder_level(dit__vae_run *run, int32_t level);

#endif
