/* Layers of the autoencoder, AutoencoderKL of any geometry (Rombach et al. 2022; formulas as in docs/numerics.md). */
#include "lib/core/numerics.h"

#include <math.h>
#include <string.h>

#include "lib/nets/vae_layers.h"

dit__vae_run dit__vae_begin(dit__plan *plan, const dit__vae *vae, const dit__vae_coder *coder, int32_t norms,
                            int32_t height, int32_t width) {
  dit__vae_run run;
  memset(&run, 0, sizeof run);
  for (int32_t i = 0; i < vae->levels; i++)
    if (coder->width[i] > run.max_channels) run.max_channels = coder->width[i];
  run.plan = plan;
  run.vae = vae;
  run.height = height;
  run.width = width;
  run.scale = dit__vae_alloc(&run, 1, norms, run.max_channels);
  run.shift = dit__vae_alloc(&run, 1, norms, run.max_channels);
  return run;
}

void dit__vae_end(dit__vae_run *run) {
  dit__plan_free(run->plan, run->x);
  dit__plan_free(run->plan, run->shift);
  dit__plan_free(run->plan, run->scale);
}

float *dit__vae_alloc(const dit__vae_run *run, int32_t height, int32_t width, int32_t channels) {
  return (float *)dit__plan_alloc(run->plan, (uint64_t)height * (uint64_t)width * (uint64_t)channels, sizeof(float));
}

void dit__vae_replace(dit__vae_run *run, float *y) {
  dit__plan_free(run->plan, run->x);
  run->x = y;
}

/* ---- Single operations ---- */

dit__group_norm_op dit__vae_norm(const dit__vae_run *run, const float *x, int32_t channels, const dit__norm *norm) {
  return (dit__group_norm_op){.height = run->height,
                              .width = run->width,
                              .channels = channels,
                              .groups = run->vae->groups,
                              .rows = run->height,
                              .eps = 1e-6f,
                              .x = x,
                              .gamma = norm->gamma,
                              .beta = norm->beta,
                              .scale = run->scale,
                              .shift = run->shift};
}

void dit__vae_add_norm(const dit__vae_run *run, const dit__group_norm_op *norm) {
  dit__plan_add(run->plan, &(dit__op){.kind = DIT__OP_GROUP_NORM, .group_norm = *norm});
}

dit__conv_op dit__vae_conv(const dit__vae_run *run, const dit__matrix *matrix, const float *x, int normed,
                           const float *residual, float *out) {
  return (dit__conv_op){.matrix = matrix,
                        .height = run->height,
                        .width = run->width,
                        .rows = run->height,
                        .channels = matrix->weights.k / 9,
                        .stride = 1,
                        .x = x,
                        .scale = normed ? run->scale : NULL,
                        .shift = normed ? run->shift : NULL,
                        .residual = residual,
                        .out = out};
}

void dit__vae_add_conv(const dit__vae_run *run, const dit__conv_op *conv) {
  const dit__op_kind kind = conv->matrix->winograd ? DIT__OP_CONV_WINOGRAD : DIT__OP_CONV_GEMM;
  dit__plan_add(run->plan, &(dit__op){.kind = kind, .conv = *conv});
}

void dit__vae_linear(const dit__vae_run *run, const dit__matrix *matrix, int32_t pixels, const float *x, float *out,
                     ptrdiff_t out_stride, const float *residual) {
  dit__plan_add(run->plan, &(dit__op){.kind = DIT__OP_GEMM,
                                      .gemm = {.matrix = matrix,
                                               .rows = pixels,
                                               .epilogue = residual ? DIT__EPILOGUE_RESIDUAL : DIT__EPILOGUE_STORE,
                                               .x = x,
                                               .x_stride = matrix->weights.k,
                                               .out = out,
                                               .out_stride = out_stride,
                                               .residual = residual,
                                               .gate = {.rows_per_sample = pixels}}});
}

void dit__vae_copy(const dit__vae_run *run, const float *from, int32_t pixels, int32_t channels, float *to) {
  const dit__elementwise_op copy = {.function = DIT__COPY, .count = (int64_t)pixels * channels, .x = from, .out = to};
  dit__plan_add(run->plan, &(dit__op){.kind = DIT__OP_ELEMENTWISE, .elementwise = copy});
}

void dit__vae_from_planes(const dit__vae_run *run, const float *from, int32_t channels, float factor, float *to) {
  const dit__planes_op planes = {
      .pixels = run->height * run->width, .channels = channels, .factor = factor, .from = from, .to = to};
  dit__plan_add(run->plan, &(dit__op){.kind = DIT__OP_TO_PIXELS, .planes = planes});
}

void dit__vae_to_planes(const dit__vae_run *run, const float *from, int32_t channels, int32_t stride, float low,
                        float high, float *to) {
  const int32_t pixels = run->height * run->width;
  const dit__planes_op planes = {.pixels = pixels,
                                 .channels = channels,
                                 .low = low,
                                 .high = high,
                                 .stride = stride,
                                 .plane = pixels,
                                 .from = from,
                                 .to = to};
  dit__plan_add(run->plan, &(dit__op){.kind = DIT__OP_TO_PLANES, .planes = planes});
}

void dit__vae_image_rows(const dit__vae_run *run, const float *from, int32_t first_row, int32_t rows) {
  const int32_t channels = run->vae->image_channels;
  const dit__planes_op planes = {.pixels = rows * run->width,
                                 .channels = channels,
                                 .low = -INFINITY,
                                 .high = INFINITY,
                                 .stride = channels,
                                 .plane = (int64_t)run->height * run->width,
                                 .from = from,
                                 .to = run->image + (ptrdiff_t)first_row * run->width};
  dit__plan_add(run->plan, &(dit__op){.kind = DIT__OP_TO_PLANES, .planes = planes});
}

/* ---- Layers ---- */

void dit__vae_conv_1x1(dit__vae_run *run, const dit__matrix *matrix) {
  const int32_t channels = matrix->weights.rows;
  float *y = dit__vae_alloc(run, run->height, run->width, channels);
  dit__vae_linear(run, matrix, run->height * run->width, run->x, y, channels, NULL);
  dit__vae_replace(run, y);
}

/* x = shortcut(x). A narrower one takes no second image: it goes in strips, each through a small buffer to where x was
 * read before. */
static void vae_shortcut(dit__vae_run *run, const dit__resnet *resnet) {
  enum { STRIPS = 8 };
  const int32_t pixels = run->height * run->width, max_pixels = (pixels + STRIPS - 1) / STRIPS;
  if (resnet->out > resnet->in) {
    dit__vae_conv_1x1(run, &resnet->shortcut);
    return;
  }
  float *strip = dit__vae_alloc(run, 1, max_pixels, resnet->out);
  for (int32_t at = 0; at < pixels; at += max_pixels) {
    const int32_t count = pixels - at < max_pixels ? pixels - at : max_pixels;
    dit__vae_linear(run, &resnet->shortcut, count, run->x + (ptrdiff_t)at * resnet->in, strip, resnet->out, NULL);
    dit__vae_copy(run, strip, count, resnet->out, run->x + (ptrdiff_t)at * resnet->out);
  }
  dit__plan_free(run->plan, strip);
}

/* out = conv(silu(norm(x))) + residual. */
static void vae_norm_conv(dit__vae_run *run, const dit__norm *norm, const dit__matrix *matrix, const float *x,
                          const float *residual, float *out) {
  const dit__group_norm_op norm_op = dit__vae_norm(run, x, matrix->weights.k / 9, norm);
  const dit__conv_op conv_op = dit__vae_conv(run, matrix, x, 1, residual, out);
  dit__vae_add_norm(run, &norm_op);
  dit__vae_add_conv(run, &conv_op);
}

/* x = shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x)))))). */
void dit__vae_resnet(dit__vae_run *run, const dit__resnet *resnet) {
  float *h = dit__vae_alloc(run, run->height, run->width, resnet->out);
  vae_norm_conv(run, &resnet->norm1, &resnet->conv1, run->x, NULL, h);
  if (resnet->in != resnet->out) vae_shortcut(run, resnet);
  vae_norm_conv(run, &resnet->norm2, &resnet->conv2, h, run->x, run->x);
  dit__plan_free(run->plan, h);
}

/* x += out(attention(norm(x))), with one head whose tokens are pixels. */
static void vae_attention(const dit__vae_run *run, const dit__vae_attention *layer, int32_t channels) {
  const dit__matrix *const projections[3] = {&layer->q, &layer->k, &layer->v};
  const int32_t pixels = run->height * run->width;
  float *h = dit__vae_alloc(run, run->height, run->width, channels);
  float *qkv = dit__vae_alloc(run, run->height, run->width, 3 * channels);
  const dit__group_norm_op norm = dit__vae_norm(run, run->x, channels, &layer->norm);
  const dit__affine_op affine = {
      .rows = pixels, .width = channels, .x = run->x, .scale = run->scale, .shift = run->shift, .out = h};
  const dit__attention_op attention = {.samples = 1,
                                       .heads = 1,
                                       .queries = pixels,
                                       .keys = pixels,
                                       .dim = channels,
                                       .scale = (float)(1.0 / sqrt((double)channels)),
                                       .q = qkv,
                                       .k = qkv + channels,
                                       .v = qkv + 2 * channels,
                                       .q_stride = 3 * (ptrdiff_t)channels,
                                       .kv_stride = 3 * (ptrdiff_t)channels,
                                       .out = h,
                                       .out_stride = channels};
  dit__vae_add_norm(run, &norm);
  dit__plan_add(run->plan, &(dit__op){.kind = DIT__OP_AFFINE, .affine = affine});
  for (int i = 0; i < 3; i++)
    dit__vae_linear(run, projections[i], pixels, h, qkv + i * channels, 3 * (ptrdiff_t)channels, NULL);
  dit__plan_add(run->plan, &(dit__op){.kind = DIT__OP_ATTENTION, .attention = attention});
  dit__vae_linear(run, &layer->out, pixels, h, run->x, channels, run->x);
  dit__plan_free(run->plan, qkv);
  dit__plan_free(run->plan, h);
}

void dit__vae_mid_block_layers(dit__vae_run *run, const dit__vae_mid_block *mid_block, int32_t channels) {
  dit__vae_resnet(run, &mid_block->resnet[0]);
  vae_attention(run, &mid_block->attention, channels);
  dit__vae_resnet(run, &mid_block->resnet[1]);
}

/* x = conv(x), a convolution of the present size of run. */
static void vae_resample(dit__vae_run *run, const dit__matrix *matrix, int32_t stride, int32_t upsample) {
  float *y = dit__vae_alloc(run, run->height, run->width, matrix->weights.rows);
  dit__conv_op conv = dit__vae_conv(run, matrix, run->x, 0, NULL, y);
  conv.stride = stride;
  conv.upsample = upsample;
  dit__vae_add_conv(run, &conv);
  dit__vae_replace(run, y);
}

void dit__vae_upsample(dit__vae_run *run, const dit__matrix *matrix) {
  run->height *= 2;
  run->width *= 2;
  vae_resample(run, matrix, 1, 1);
}

void dit__vae_downsample(dit__vae_run *run, const dit__matrix *matrix) {
  run->height /= 2;
  run->width /= 2;
  vae_resample(run, matrix, 2, 0);
}

void dit__vae_conv_in(dit__vae_run *run, const dit__vae_coder *coder) { vae_resample(run, &coder->conv_in, 1, 0); }

void dit__vae_conv_out(dit__vae_run *run, const dit__vae_coder *coder) {
  float *y = dit__vae_alloc(run, run->height, run->width, coder->conv_out.weights.rows);
  vae_norm_conv(run, &coder->norm_out, &coder->conv_out, run->x, NULL, y);
  dit__vae_replace(run, y);
}

void dit__vae_level(dit__vae_run *run, const dit__vae_coder *coder, int32_t level, int32_t attends) {
  for (int32_t i = 0; i < coder->resnets; i++) {
    dit__vae_resnet(run, &coder->level[level][i]);
    if (attends) vae_attention(run, &coder->attention[i], coder->width[level]);
  }
}

void dit__vae_decoder_level(dit__vae_run *run, int32_t level) {
  const dit__vae_coder *coder = run->vae->decoder;
  if (level) dit__vae_upsample(run, &coder->resample[level - 1]);
  dit__vae_level(run, coder, level, dit__vae_attends(run->vae, 1, level));
  if (level + 1 < run->vae->levels) return;
  dit__vae_conv_out(run, coder);
  dit__vae_image_rows(run, run->x, 0, run->height);
}
