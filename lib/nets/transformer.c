/* The transformer: tensors become operations (Peebles & Xie 2022, section 3; formulas as in docs/numerics.md). */
#include "lib/core/numerics.h"

#include <math.h>
#include <string.h>

#include "lib/core/elementary.h"
#include "lib/nets/transformer.h"
#include "lib/sampling/timestep_embedding.h"

/* ---- Modulation: what depends on timestep and class alone ---- */

int64_t dit__modulation_size(const dit__transformer *dit) { return (6 * (int64_t)dit->depth + 2) * dit->hidden; }

/* argument: dit__modulation_request, transformer; result [steps][256]. */
static void dit_time_features(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const dit__modulation_request *rows = (const dit__modulation_request *)op->argument[0];
  const int32_t divisor = ((const dit__transformer *)op->argument[1])->diffusers ? 127 : 128;
  (void)kernels;
  (void)unit;
  for (int32_t s = 0; s < rows->steps; s++) {
    double features[DIT__TIMESTEP_CHANNELS];
    dit__timestep_embedding(rows->timesteps[s], divisor, features);
    for (int j = 0; j < DIT__TIMESTEP_CHANNELS; j++) op->result[s * DIT__TIMESTEP_CHANNELS + j] = (float)features[j];
  }
}

/* argument: dit__modulation_request, time embeddings [steps][hidden], transformer; result [rows][hidden]: silu(time + label). */
static void dit_conditions(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const dit__modulation_request *rows = (const dit__modulation_request *)op->argument[0];
  const float *time = (const float *)op->argument[1];
  const dit__transformer *dit = (const dit__transformer *)op->argument[2];
  float *label = (float *)(uintptr_t)op->argument[3], *other = label + dit->hidden;
  const size_t row_size = (size_t)dit->hidden * (dit->labels.type == DIT__F32  ? 4
                                                 : dit->labels.type == DIT__I8 ? 1
                                                                               : 2);
  (void)unit;
  for (int32_t i = 0; i < rows->conditions; i++) {
    const dit__condition *condition = &rows->condition[i];
    const int32_t tables[2] = {condition->a, condition->b};
    for (int t = 0; t < 1 + (condition->b >= 0); t++)
      kernels->convert(dit->labels.type, dit->labels.data + (size_t)tables[t] * row_size, dit->hidden,
                       dit->labels.scale ? dit->labels.scale[tables[t]] : 0, t ? other : label);
    if (condition->b >= 0)
      for (int32_t d = 0; d < dit->hidden; d++) label[d] = (1.0f - rows->mix) * label[d] + rows->mix * other[d];
    for (int32_t s = rows->paired ? i : 0; s < (rows->paired ? i + 1 : rows->steps); s++) {
      float *to = op->result + (ptrdiff_t)(rows->paired ? i : s * rows->conditions + i) * dit->hidden;
      for (int32_t d = 0; d < dit->hidden; d++) to[d] = time[(ptrdiff_t)s * dit->hidden + d] + label[d];
    }
  }
  const int64_t all = rows->paired ? rows->steps : (int64_t)rows->steps * rows->conditions;
  kernels->silu(op->result, all * dit->hidden, op->result);
}

static void dit_silu(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  (void)unit;
  kernels->silu(op->result, op->number[0], op->result);
}

static dit__op *dit_call(dit__plan *plan, void (*call)(const dit__op *, const dit__kernels *, int64_t), float *result,
                         double flops) {
  dit__op *op = dit__plan_add(plan, DIT__CALL);
  op->call = call;
  op->result = result;
  op->units = 1;
  op->flops = flops;
  return op;
}

/* out [rows][..] = finish(x [rows][k] * matrix). */
static dit__op *dit_product(dit__plan *plan, const dit__matrix *matrix, int32_t rows, const float *x,
                            ptrdiff_t x_stride, float *out, ptrdiff_t out_stride, dit__epilogue finish) {
  dit__op *op = dit__plan_add(plan, DIT__PRODUCT);
  op->matrix = matrix;
  op->rows = rows;
  op->x = x;
  op->x_stride = x_stride;
  op->out = out;
  op->out_stride = out_stride;
  op->residual = out;
  op->epilogue = finish;
  op->rows_per_sample = rows;
  return op;
}

void dit__plan_modulation(dit__plan *plan, const dit__transformer *dit, const dit__modulation_request *rows,
                          float *modulation) {
  const int32_t count = rows->paired ? rows->steps : rows->steps * rows->conditions;
  const int64_t hidden = dit->hidden, size = dit__modulation_size(dit);
  float *features = (float *)dit__plan_alloc(plan, (uint64_t)rows->steps * 256, sizeof(float));
  float *inner = (float *)dit__plan_alloc(plan, (uint64_t)(rows->steps * hidden), sizeof(float));
  float *time = (float *)dit__plan_alloc(plan, (uint64_t)(rows->steps * hidden), sizeof(float));
  float *label = (float *)dit__plan_alloc(plan, 2 * (uint64_t)hidden, sizeof(float));
  float *condition = (float *)dit__plan_alloc(plan, (uint64_t)(count * hidden), sizeof(float));
  dit__op *op = dit_call(plan, dit_time_features, features, rows->steps * 256 * 100.0);
  op->argument[0] = rows;
  op->argument[1] = dit;
  dit_product(plan, &dit->t_mlp0, rows->steps, features, 256, inner, hidden, DIT__EPILOGUE_STORE);
  dit_call(plan, dit_silu, inner, 32.0 * (double)(rows->steps * hidden))->number[0] = rows->steps * hidden;
  dit_product(plan, &dit->t_mlp2, rows->steps, inner, hidden, time, hidden, DIT__EPILOGUE_STORE);
  op = dit_call(plan, dit_conditions, condition, 64.0 * (double)(count * hidden));
  op->argument[0] = rows;
  op->argument[1] = time;
  op->argument[2] = dit;
  op->argument[3] = label;
  for (int32_t i = 0; i < dit->depth; i++)
    dit_product(plan, &dit->blocks[i].modulation, count, condition, hidden, modulation + 6 * hidden * i, size,
                DIT__EPILOGUE_STORE);
  dit_product(plan, &dit->final_modulation, count, condition, hidden, modulation + 6 * hidden * dit->depth, size,
              DIT__EPILOGUE_STORE);
  dit__plan_free(plan, features);
  dit__plan_free(plan, inner);
  dit__plan_free(plan, time);
  dit__plan_free(plan, label);
  dit__plan_free(plan, condition);
}

/* ---- Patches and positions ---- */

/* Geometry of a pass, in the numbers of its calls. */
enum { PASS_BATCH, PASS_LATENTS, PASS_HEIGHT, PASS_WIDTH };

/* argument: latent, transformer; result [batch * tokens][channels * patch * patch]: channel, row, column. */
static void dit_patchify(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const dit__transformer *dit = (const dit__transformer *)op->argument[1];
  const int64_t height = op->number[PASS_HEIGHT], width = op->number[PASS_WIDTH], p = dit->patch;
  const float *latent =
      (const float *)op->argument[0] + unit % op->number[PASS_LATENTS] * dit->channels * height * width;
  float *to = op->result + unit * (height / p) * (width / p) * dit->channels * p * p;
  (void)kernels;
  for (int64_t row = 0; row < height; row += p)
    for (int64_t column = 0; column < width; column += p)
      for (int64_t c = 0; c < dit->channels; c++)
        for (int64_t y = 0; y < p; y++, to += p)
          memcpy(to, latent + (c * height + row + y) * width + column, (size_t)p * sizeof(float));
}

/* Sine and cosine of position * omega_j, omega_j = 10000^(-j / quarter): one half of a row of positions. */
static void dit_position_half(float *to, double position, int64_t quarter) {
  for (int64_t j = 0; j < quarter; j++) {
    double sine, cosine;
    dit__sincos(position * dit__exp(-9.210340371976184 * (double)j / (double)quarter), &sine, &cosine);
    to[j] = (float)sine;
    to[quarter + j] = (float)cosine;
  }
}

/* Where patch `index` of `count` counts as standing. diffusers squeezes other grids onto the model's own one. */
static double dit_position(const dit__transformer *dit, int64_t index, int64_t count) {
  const int64_t own = dit->latent_size / dit->patch;
  return dit->diffusers ? (double)index / ((double)count / (double)own) : (double)index;
}

/* argument: transformer; result [tokens][hidden]: the stored table on its own grid, else columns first, computed. */
static void dit_positions(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const dit__transformer *dit = (const dit__transformer *)op->argument[1];
  const int64_t rows = op->number[PASS_HEIGHT] / dit->patch, columns = op->number[PASS_WIDTH] / dit->patch;
  const int64_t own = dit->latent_size / dit->patch, half = dit->hidden / 2;
  float *to = op->result;
  (void)unit;
  if (rows == own && columns == own) {
    kernels->convert(dit->positions.type, dit->positions.data, rows * columns * dit->hidden, 0, to);
    return;
  }
  for (int64_t column = 0; column < columns; column++)
    dit_position_half(to + column * dit->hidden, dit_position(dit, column, columns), half / 2);
  for (int64_t row = 0; row < rows; row++) {
    float *line = to + row * columns * dit->hidden;
    dit_position_half(line + half, dit_position(dit, row, rows), half / 2);
    for (int64_t column = 0; column < columns; column++) {
      float *token = line + column * dit->hidden;
      if (row) memcpy(token, to + column * dit->hidden, (size_t)half * sizeof(float));
      if (column) memcpy(token + half, line + half, (size_t)half * sizeof(float));
    }
  }
}

/* Copies the positions of the first sample to the others. */
static void dit_repeat(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  (void)kernels;
  memcpy(op->result + (unit + 1) * op->number[0], op->result, (size_t)op->number[0] * sizeof(float));
}

/* argument: tokens [batch * tokens][patch * patch * out_channels] (row, column, channel), transformer; result
 * [batch][out_channels][height][width]. */
static void dit_unpatchify(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const dit__transformer *dit = (const dit__transformer *)op->argument[1];
  const int64_t height = op->number[PASS_HEIGHT], width = op->number[PASS_WIDTH], p = dit->patch, c = dit->out_channels;
  const float *from = (const float *)op->argument[0] + unit * height * width * c;
  float *to = op->result + unit * height * width * c;
  (void)kernels;
  for (int64_t row = 0; row < height; row += p)
    for (int64_t column = 0; column < width; column += p)
      for (int64_t y = 0; y < p; y++)
        for (int64_t x = 0; x < p; x++)
          for (int64_t i = 0; i < c; i++) to[(i * height + row + y) * width + column + x] = *from++;
}

/* ---- A pass ---- */

#define DIT_EPS 1e-6f /* of the norms without weights */

typedef struct dit_pass {
  dit__plan *plan;
  const dit__transformer *dit;
  int32_t batch, tokens, rows; /* rows = batch * tokens */
  const float *modulation;
  const int32_t *modulation_index;
  float *x, *h, *wide; /* [rows][hidden], the same, [rows][the widest layer] */
  dit__quantized q;
} dit_pass;

static void dit_norm(const dit_pass *pass, int64_t chunk, float eps) {
  dit__op *op = dit__plan_add(pass->plan, DIT__NORM);
  op->rows = pass->rows;
  op->width = pass->dit->hidden;
  op->x = pass->x;
  op->x_stride = op->out_stride = pass->dit->hidden;
  op->out = pass->h;
  op->eps = eps;
  op->rows_per_sample = pass->tokens;
  op->modulation = pass->modulation + chunk * pass->dit->hidden;
  op->modulation_index = pass->modulation_index;
  op->modulation_stride = (ptrdiff_t)dit__modulation_size(pass->dit);
}

/* A layer of a block; its input is made narrow first where the layer's products are. chunk: of the gate, with
 * DIT__EPILOGUE_GATED. */
static void dit_layer(const dit_pass *pass, const dit__matrix *matrix, const float *x, float *out, dit__epilogue finish,
                      int64_t chunk) {
  const int32_t k = matrix->weights.k;
  dit__quantized q = pass->q;
  if (matrix->qgemm) {
    q.stride = (ptrdiff_t)(k + matrix->qgemm->group - 1) / matrix->qgemm->group * 4;
    dit__op *quantize = dit__plan_add(pass->plan, DIT__QUANTIZE);
    quantize->rows = pass->rows;
    quantize->width = k;
    quantize->x = x;
    quantize->x_stride = k;
    quantize->quantized = q;
    quantize->matrix = matrix;
  }
  dit__op *op = dit_product(pass->plan, matrix, pass->rows, x, k, out, matrix->weights.rows, finish);
  op->quantized = q;
  op->rows_per_sample = pass->tokens;
  op->modulation = pass->modulation + chunk * pass->dit->hidden;
  op->modulation_index = pass->modulation_index;
  op->modulation_stride = (ptrdiff_t)dit__modulation_size(pass->dit);
}

/* x += gate * attention(norm(x)); x += gate * mlp(norm(x)) (figure 3, adaLN-Zero). Chunks: shift, scale, gate of each.
 */
static void dit_block(const dit_pass *pass, int32_t index) {
  const dit__transformer *dit = pass->dit;
  const dit__block *block = &dit->blocks[index];
  const int64_t chunk = 6 * (int64_t)index;
  dit_norm(pass, chunk, DIT_EPS);
  dit_layer(pass, &block->qkv, pass->h, pass->wide, DIT__EPILOGUE_STORE, 0);
  dit__op *op = dit__plan_add(pass->plan, DIT__ATTENTION);
  op->x = pass->wide;
  op->x_stride = 3 * (ptrdiff_t)dit->hidden;
  op->out = pass->h;
  op->out_stride = dit->hidden;
  op->samples = pass->batch;
  op->heads = dit->heads;
  op->tokens = pass->tokens;
  op->dim = dit->hidden / dit->heads;
  op->factor = (float)(1.0 / sqrt((double)op->dim));
  dit_layer(pass, &block->proj, pass->h, pass->x, DIT__EPILOGUE_GATED, chunk + 2);
  dit_norm(pass, chunk + 3, dit->mlp_eps);
  dit_layer(pass, &block->fc1, pass->h, pass->wide, DIT__EPILOGUE_GELU, 0);
  dit_layer(pass, &block->fc2, pass->wide, pass->x, DIT__EPILOGUE_GATED, chunk + 5);
}

/* What the blocks add to the tokens, kept for steps that pass over them: this unit's share of the numbers. */
static void dit_kept_share(const dit__op *op, int64_t unit, int64_t *first, int64_t *end) {
  *first = op->number[0] * unit / op->units;
  *end = op->number[0] * (unit + 1) / op->units;
}

/* argument: x; result: kept = x. */
static void dit_keep(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  int64_t first, end;
  (void)kernels;
  dit_kept_share(op, unit, &first, &end);
  memcpy(op->result + first, (const float *)op->argument[0] + first, (size_t)(end - first) * sizeof(float));
}

/* argument: x; result: kept = x - kept. */
static void dit_keep_sum(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const float *x = (const float *)op->argument[0];
  int64_t first, end;
  (void)kernels;
  dit_kept_share(op, unit, &first, &end);
  for (int64_t i = first; i < end; i++) op->result[i] = x[i] - op->result[i];
}

/* argument: kept; result: x = x + kept. */
static void dit_add_kept(const dit__op *op, const dit__kernels *kernels, int64_t unit) {
  const float *kept = (const float *)op->argument[0];
  int64_t first, end;
  (void)kernels;
  dit_kept_share(op, unit, &first, &end);
  for (int64_t i = first; i < end; i++) op->result[i] = op->result[i] + kept[i];
}

static void dit_kept(const dit_pass *pass, void (*call)(const dit__op *, const dit__kernels *, int64_t),
                     const float *from, float *to) {
  const double all = 4.0 * pass->rows * pass->dit->hidden;
  const int64_t units = (int64_t)(all / pass->plan->engine->unit_flops) + 1;
  dit__op *op = dit_call(pass->plan, call, to, all / (double)units);
  op->argument[0] = from;
  op->number[0] = (int64_t)pass->rows * pass->dit->hidden;
  op->units = units;
}

/* All blocks, or what they added at an earlier step. */
static void dit_blocks(const dit_pass *pass, dit__block_cache reuse, float *kept) {
  if (reuse == DIT__CACHE_USE) {
    dit_kept(pass, dit_add_kept, kept, pass->x);
    return;
  }
  if (reuse == DIT__CACHE_STORE) dit_kept(pass, dit_keep, pass->x, kept);
  for (int32_t i = 0; i < pass->dit->depth; i++) dit_block(pass, i);
  if (reuse == DIT__CACHE_STORE) dit_kept(pass, dit_keep_sum, pass->x, kept);
}

static void dit_pass_numbers(dit__op *op, const dit_pass *pass, int32_t latents, int32_t height, int32_t width) {
  op->argument[1] = pass->dit;
  op->number[PASS_BATCH] = pass->batch;
  op->number[PASS_LATENTS] = latents;
  op->number[PASS_HEIGHT] = height;
  op->number[PASS_WIDTH] = width;
}

/* x = patches * embed + positions. */
static void dit_embed(const dit_pass *pass, int32_t latents, int32_t height, int32_t width, const float *latent) {
  const dit__transformer *dit = pass->dit;
  const int32_t k = dit->embed.weights.k;
  const double size = (double)pass->tokens * dit->hidden;
  dit_pass_numbers(dit_call(pass->plan, dit_positions, pass->x, 16 * size), pass, latents, height, width);
  if (pass->batch > 1) {
    dit__op *op = dit_call(pass->plan, dit_repeat, pass->x, 4 * size);
    op->units = pass->batch - 1;
    op->number[0] = (int64_t)pass->tokens * dit->hidden;
  }
  dit__op *op = dit_call(pass->plan, dit_patchify, pass->wide, 8.0 * pass->tokens * k);
  dit_pass_numbers(op, pass, latents, height, width);
  op->argument[0] = latent;
  op->units = pass->batch;
  dit_product(pass->plan, &dit->embed, pass->rows, pass->wide, k, pass->x, dit->hidden, DIT__EPILOGUE_RESIDUAL);
}

void dit__plan_pass(dit__plan *plan, const dit__transformer *dit, int32_t batch, int32_t latents, int32_t height,
                    int32_t width, const float *latent, const float *modulation, const int32_t *modulation_index,
                    dit__block_cache reuse, float *kept, float *out) {
  const int32_t last = dit->final_linear.weights.rows;
  int32_t widest = 3 * dit->hidden > dit->mlp ? 3 * dit->hidden : dit->mlp;
  if (widest < dit->embed.weights.k) widest = dit->embed.weights.k;
  if (widest < last) widest = last;
  dit_pass pass;
  memset(&pass, 0, sizeof pass);
  pass.plan = plan;
  pass.dit = dit;
  pass.batch = batch;
  pass.tokens = height / dit->patch * (width / dit->patch);
  pass.rows = batch * pass.tokens;
  pass.modulation = modulation;
  pass.modulation_index = modulation_index;
  const uint64_t rows = (uint64_t)pass.rows;
  pass.x = (float *)dit__plan_alloc(plan, rows * (uint64_t)dit->hidden, sizeof(float));
  pass.h = (float *)dit__plan_alloc(plan, rows * (uint64_t)dit->hidden, sizeof(float));
  pass.wide = (float *)dit__plan_alloc(plan, rows * (uint64_t)widest, sizeof(float));
  const dit__qgemm_kernel *dot = dit->blocks[0].qkv.qgemm;
  const uint64_t group = dot ? (uint64_t)dot->group : 1, groups = ((uint64_t)widest + group - 1) / group;
  pass.q.q = (uint8_t *)dit__plan_alloc(plan, dot ? rows * groups : 0, 4);
  pass.q.scale = (float *)dit__plan_alloc(plan, dot ? rows : 0, sizeof(float));
  pass.q.low = (float *)dit__plan_alloc(plan, dot ? rows : 0, sizeof(float));

  dit_embed(&pass, latents, height, width, latent);
  dit_blocks(&pass, reuse, kept);
  dit_norm(&pass, 6 * (int64_t)dit->depth, DIT_EPS);
  dit_product(plan, &dit->final_linear, pass.rows, pass.h, dit->hidden, pass.wide, last, DIT__EPILOGUE_STORE);
  dit__op *op = dit_call(plan, dit_unpatchify, out, 8.0 * pass.tokens * last);
  dit_pass_numbers(op, &pass, latents, height, width);
  op->argument[0] = pass.wide;
  op->units = batch;

  dit__plan_free(plan, pass.q.low);
  dit__plan_free(plan, pass.q.scale);
  dit__plan_free(plan, pass.q.q);
  dit__plan_free(plan, pass.wide);
  dit__plan_free(plan, pass.h);
  dit__plan_free(plan, pass.x);
}
