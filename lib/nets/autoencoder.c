/* The autoencoder, both ways: AutoencoderKL of any geometry (Rombach et al. 2022; formulas as in docs/numerics.md).
 * Activations are channel-last, [row][column][channel]; one picture at a time. */
#include "lib/core/numerics.h"

#include <math.h>
#include <string.h>

#include "lib/nets/autoencoder.h"
#include "lib/nets/vae_layers.h"

float *dit__vae_take(const dit__vae_run *run, int32_t height, int32_t width, int32_t channels) {
  return (float *)dit__plan_alloc(run->plan, (uint64_t)height * (uint64_t)width * (uint64_t)channels, sizeof(float));
}

/* Replaces x by `y`. */
static void vae_pass_on(dit__vae_run *run, float *y) {
  dit__plan_free(run->plan, run->x);
  run->x = y;
}

dit__op *dit__vae_norm(const dit__vae_run *run, const float *x, int32_t channels, const dit__norm *norm) {
  dit__op *op = dit__plan_add(run->plan, DIT__GROUP_NORM);
  op->x = x;
  op->rows = op->height = run->height;
  op->width = run->width;
  op->channels = channels;
  op->groups = run->vae->groups;
  op->gamma = norm->gamma;
  op->beta = norm->beta;
  op->scale = run->scale;
  op->shift = run->shift;
  op->eps = 1e-6f;
  return op;
}

dit__op *dit__vae_convolution(const dit__vae_run *run, const dit__matrix *matrix, const float *x, int normed,
                              int32_t stride, int32_t upsample, const float *residual, float *out) {
  dit__op *op = dit__plan_add(run->plan, DIT__CONVOLUTION);
  op->matrix = matrix;
  op->x = x;
  op->channels = matrix->weights.k / 9;
  op->rows = op->height = run->height;
  op->image_width = run->width;
  op->stride = stride;
  op->upsample = upsample;
  op->scale = normed ? run->scale : NULL;
  op->shift = normed ? run->shift : NULL;
  op->silu = normed;
  op->out = out;
  op->out_stride = matrix->weights.rows;
  op->residual = residual;
  op->epilogue = residual ? DIT__EPILOGUE_RESIDUAL : DIT__EPILOGUE_STORE;
  return op;
}

void dit__vae_matrix(const dit__vae_run *run, const dit__matrix *matrix, int32_t pixels, const float *x, float *out,
                     ptrdiff_t out_stride, const float *residual) {
  dit__op *op = dit__plan_add(run->plan, DIT__PRODUCT);
  op->matrix = matrix;
  op->rows = op->rows_per_sample = pixels;
  op->x = x;
  op->x_stride = matrix->weights.k;
  op->out = out;
  op->out_stride = out_stride;
  op->residual = residual;
  op->epilogue = residual ? DIT__EPILOGUE_RESIDUAL : DIT__EPILOGUE_STORE;
}

/* A matrix at every pixel. */
static void vae_linear(const dit__vae_run *run, const dit__matrix *matrix, const float *x, float *out,
                       ptrdiff_t out_stride, const float *residual) {
  dit__vae_matrix(run, matrix, run->height * run->width, x, out, out_stride, residual);
}

enum { PLANES_PIXELS, PLANES_CHANNELS, PLANES_STRIDE, PLANES_CLAMP, PLANES_PLANE };

/* Anything small with each pixel. */
static dit__op *vae_pixels(const dit__vae_run *run, void (*call)(const dit__op *, const dit__kernels *, int64_t),
                           const float *from, int32_t pixels, int32_t channels, float *to) {
  dit__op *op = dit__plan_add(run->plan, DIT__CALL);
  const double flops = 16.0 * pixels * channels;
  op->call = call;
  op->argument[0] = from;
  op->result = to;
  op->units = (int64_t)(flops / run->plan->engine->unit_flops) + 1;
  op->flops = flops / (double)op->units;
  op->number[PLANES_PIXELS] = pixels;
  op->number[PLANES_CHANNELS] = channels;
  return op;
}

/* result = argument, PLANES_CHANNELS numbers a pixel; they may overlap. */
static void vae_move(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const float *from = (const float *)op->argument[0];
  const int64_t count = op->number[PLANES_PIXELS] * op->number[PLANES_CHANNELS];
  if (op->result > from) unit = op->units - 1 - unit; /* the last first */
  const int64_t begin = unit * count / op->units, end = (unit + 1) * count / op->units;
  (void)kernels;
  memmove(op->result + begin, from + begin, (size_t)(end - begin) * sizeof(float));
}

void dit__vae_move(const dit__vae_run *run, const float *from, int32_t pixels, int32_t channels, float *to) {
  vae_pixels(run, vae_move, from, pixels, channels, to);
}

/* x = shortcut(x). A narrower one takes no second picture: in strips, each through a small buffer to where x was read
 * before. */
static void vae_shortcut(dit__vae_run *run, const dit__resnet *resnet) {
  enum { STRIPS = 8 };
  const int32_t height = run->height, pixels = height * run->width;
  if (resnet->out > resnet->in) {
    float *y = dit__vae_take(run, height, run->width, resnet->out);
    vae_linear(run, &resnet->shortcut, run->x, y, resnet->out, NULL);
    vae_pass_on(run, y);
    return;
  }
  const int32_t most = (pixels + STRIPS - 1) / STRIPS;
  float *strip = dit__vae_take(run, 1, most, resnet->out);
  for (int32_t at = 0; at < pixels; at += most) {
    const int32_t some = pixels - at < most ? pixels - at : most;
    dit__vae_matrix(run, &resnet->shortcut, some, run->x + (ptrdiff_t)at * resnet->in, strip, resnet->out, NULL);
    dit__vae_move(run, strip, some, resnet->out, run->x + (ptrdiff_t)at * resnet->out);
  }
  dit__plan_free(run->plan, strip);
}

/* x = shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x)))))). */
static void vae_resnet(dit__vae_run *run, const dit__resnet *resnet) {
  float *h = dit__vae_take(run, run->height, run->width, resnet->out);
  dit__vae_norm(run, run->x, resnet->in, &resnet->norm1);
  dit__vae_convolution(run, &resnet->conv1, run->x, 1, 1, 0, NULL, h);
  if (resnet->in != resnet->out) vae_shortcut(run, resnet);
  dit__vae_norm(run, h, resnet->out, &resnet->norm2);
  dit__vae_convolution(run, &resnet->conv2, h, 1, 1, 0, run->x, run->x);
  dit__plan_free(run->plan, h);
}

/* x += out(attention(norm(x))): one head, tokens are pixels. */
static void vae_attention(const dit__vae_run *run, const dit__vae_mid_block *middle, int32_t channels) {
  const dit__matrix *const parts[3] = {&middle->q, &middle->k, &middle->v};
  float *h = dit__vae_take(run, run->height, run->width, channels);
  float *qkv = dit__vae_take(run, run->height, run->width, 3 * channels);
  dit__vae_norm(run, run->x, channels, &middle->norm);
  dit__op *op = dit__plan_add(run->plan, DIT__AFFINE);
  op->rows = run->height * run->width;
  op->width = channels;
  op->x = run->x;
  op->out = h;
  op->x_stride = op->out_stride = channels;
  op->scale = run->scale;
  op->shift = run->shift;
  for (int i = 0; i < 3; i++) vae_linear(run, parts[i], h, qkv + i * channels, 3 * (ptrdiff_t)channels, NULL);
  op = dit__plan_add(run->plan, DIT__ATTENTION);
  op->x = qkv;
  op->x_stride = 3 * (ptrdiff_t)channels;
  op->out = h;
  op->out_stride = channels;
  op->samples = op->heads = 1;
  op->tokens = run->height * run->width;
  op->dim = channels;
  op->factor = (float)(1.0 / sqrt((double)channels));
  vae_linear(run, &middle->out, h, run->x, channels, run->x);
  dit__plan_free(run->plan, qkv);
  dit__plan_free(run->plan, h);
}

static void vae_middle(dit__vae_run *run, const dit__vae_mid_block *middle, int32_t channels) {
  vae_resnet(run, &middle->resnet[0]);
  vae_attention(run, middle, channels);
  vae_resnet(run, &middle->resnet[1]);
}

/* x = convolution(x) at twice the size (of nearest neighbours), or at half of it. */
static void vae_resample(dit__vae_run *run, const dit__matrix *matrix, int32_t up) {
  run->height = up ? run->height * 2 : run->height / 2;
  run->width = up ? run->width * 2 : run->width / 2;
  float *y = dit__vae_take(run, run->height, run->width, matrix->weights.rows);
  dit__vae_convolution(run, matrix, run->x, 0, up ? 1 : 2, up, NULL, y);
  vae_pass_on(run, y);
}

/* ---- Between the caller's planes and our pixels ---- */

/* result [pixel][channel] = argument [channel][pixel] * factor. */
static void vae_from_planes(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const float *from = (const float *)op->argument[0];
  const float factor = op->factor;
  const int64_t pixels = op->number[PLANES_PIXELS], channels = op->number[PLANES_CHANNELS];
  const int64_t end = (unit + 1) * pixels / op->units;
  (void)kernels;
  for (int64_t p = unit * pixels / op->units; p < end; p++)
    for (int64_t c = 0; c < channels; c++) op->result[p * channels + c] = from[c * pixels + p] * factor;
}

/* result [channel][pixel] = argument [pixel][channel], pixels PLANES_STRIDE apart, planes PLANES_PLANE; log-variances
 * are clamped. */
static void vae_to_planes(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const float *from = (const float *)op->argument[0];
  const int64_t pixels = op->number[PLANES_PIXELS], channels = op->number[PLANES_CHANNELS];
  const int64_t end = (unit + 1) * pixels / op->units;
  (void)kernels;
  for (int64_t p = unit * pixels / op->units; p < end; p++)
    for (int64_t c = 0; c < channels; c++) {
      float value = from[p * op->number[PLANES_STRIDE] + c];
      if (op->number[PLANES_CLAMP]) value = value < -30.0f ? -30.0f : value > 20.0f ? 20.0f : value;
      op->result[c * op->number[PLANES_PLANE] + p] = value;
    }
}

static dit__op *vae_planes(dit__vae_run *run, void (*call)(const dit__op *, const dit__kernels *, int64_t),
                           const float *from, int32_t channels, float *to) {
  dit__op *op = vae_pixels(run, call, from, run->height * run->width, channels, to);
  op->number[PLANES_PLANE] = op->number[PLANES_PIXELS];
  return op;
}

void dit__vae_image(const dit__vae_run *run, const float *from, int32_t first_row, int32_t rows) {
  const int32_t channels = run->vae->image_channels;
  dit__op *op =
      vae_pixels(run, vae_to_planes, from, rows * run->width, channels, run->image + (ptrdiff_t)first_row * run->width);
  op->number[PLANES_STRIDE] = channels;
  op->number[PLANES_PLANE] = (int64_t)run->height * run->width;
}

/* norms: how many group norms are kept at a time. */
static void vae_begin(dit__vae_run *run, dit__plan *plan, const dit__vae *vae, const dit__vae_coder *half,
                      int32_t norms, int32_t height, int32_t width) {
  int32_t widest = 0;
  for (int32_t i = 0; i < vae->levels; i++) widest = half->width[i] > widest ? half->width[i] : widest;
  memset(run, 0, sizeof *run);
  run->widest = widest;
  run->plan = plan;
  run->vae = vae;
  run->height = height;
  run->width = width;
  run->scale = dit__vae_take(run, 1, norms, widest);
  run->shift = dit__vae_take(run, 1, norms, widest);
}

static void vae_end(dit__vae_run *run) {
  dit__plan_free(run->plan, run->x);
  dit__plan_free(run->plan, run->shift);
  dit__plan_free(run->plan, run->scale);
}

/* x = conv_out(silu(norm_out(x))). */
static void vae_conv_out(dit__vae_run *run, const dit__vae_coder *half) {
  float *y = dit__vae_take(run, run->height, run->width, half->conv_out.weights.rows);
  dit__vae_norm(run, run->x, half->width[run->vae->levels - 1], &half->norm_out);
  dit__vae_convolution(run, &half->conv_out, run->x, 1, 1, 0, NULL, y);
  vae_pass_on(run, y);
}

void dit__vae_level(dit__vae_run *run, int32_t level) {
  const dit__vae_coder *half = run->vae->decoder;
  if (level) vae_resample(run, &half->resample[level - 1], 1);
  for (int32_t i = 0; i < half->resnets; i++) vae_resnet(run, &half->level[level][i]);
  if (level + 1 < run->vae->levels) return;
  vae_conv_out(run, half);
  dit__vae_image(run, run->x, 0, run->height);
}

void dit__plan_decode(dit__plan *plan, const dit__vae *vae, int32_t height, int32_t width, const float *latent,
                      double factor, size_t budget, float *image) {
  const dit__vae_coder *half = vae->decoder;
  dit__vae_run run;
  vae_begin(&run, plan, vae, half, budget == SIZE_MAX ? 1 : 2 * half->resnets + 3, height, width);
  run.image = image;
  run.x = dit__vae_take(&run, height, width, vae->channels);
  vae_planes(&run, vae_from_planes, latent, vae->channels, run.x)->factor = (float)factor;
  float *y = dit__vae_take(&run, height, width, vae->channels);
  vae_linear(&run, &half->quant, run.x, y, vae->channels, NULL);
  vae_pass_on(&run, y);
  y = dit__vae_take(&run, height, width, half->width[0]);
  dit__vae_convolution(&run, &half->conv_in, run.x, 0, 1, 0, NULL, y);
  vae_pass_on(&run, y);
  vae_middle(&run, &half->mid_block, half->width[0]);
  for (int32_t i = 0; i < vae->levels; i++)
    if (budget == SIZE_MAX)
      dit__vae_level(&run, i);
    else
      dit__bands_level(&run, i, budget);
  vae_end(&run);
}

void dit__plan_encode(dit__plan *plan, const dit__vae *vae, int32_t height, int32_t width, const float *image,
                      float *mean, float *logvar) {
  const dit__vae_coder *half = vae->encoder;
  const int32_t channels = vae->channels;
  dit__vae_run run;
  vae_begin(&run, plan, vae, half, 1, height, width);
  run.x = dit__vae_take(&run, height, width, vae->image_channels);
  vae_planes(&run, vae_from_planes, image, vae->image_channels, run.x)->factor = 1;
  float *y = dit__vae_take(&run, height, width, half->width[0]);
  dit__vae_convolution(&run, &half->conv_in, run.x, 0, 1, 0, NULL, y);
  vae_pass_on(&run, y);
  for (int32_t i = 0; i < vae->levels; i++) {
    for (int32_t j = 0; j < half->resnets; j++) vae_resnet(&run, &half->level[i][j]);
    if (i + 1 < vae->levels) vae_resample(&run, &half->resample[i], 0);
  }
  vae_middle(&run, &half->mid_block, half->width[vae->levels - 1]);
  vae_conv_out(&run, half);
  y = dit__vae_take(&run, run.height, run.width, 2 * channels);
  vae_linear(&run, &half->quant, run.x, y, 2 * channels, NULL);
  vae_pass_on(&run, y);
  if (mean) vae_planes(&run, vae_to_planes, run.x, channels, mean)->number[PLANES_STRIDE] = 2 * channels;
  if (logvar) {
    dit__op *op = vae_planes(&run, vae_to_planes, run.x + channels, channels, logvar);
    op->number[PLANES_STRIDE] = 2 * channels;
    op->number[PLANES_CLAMP] = 1;
  }
  vae_end(&run);
}
