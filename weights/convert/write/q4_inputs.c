#include "lib/core/numerics.h" /* so that every machine rounds alike */

#include "weights/convert/write/q4_inputs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/elementary.h"
#include "lib/core/error.h"
#include "lib/sampling/timestep_embedding.h"

/* The norms of a block: norm1 and norm2. */
typedef enum norm_place { BEFORE_ATTENTION = 1, BEFORE_MLP = 2 } norm_place;

enum { D = Q4_DIRECTIONS, TIMES = D / 2, CLASSES = 64, FEATURES = DIT__TIMESTEP_CHANNELS };

static dit_status no_memory(dit_error *error) {
  return dit__fail(error, DIT_ERROR_MEMORY, "no memory for the statistics of q4");
}

static const content_tensor *find(const model_content *m, const char *name) {
  for (size_t i = 0; i < m->count; i++)
    if (strcmp(m->tensors[i].tensor.name, name) == 0) return &m->tensors[i];
  return NULL;
}

/* Reads `count` elements of a tensor, to be freed; NULL without memory. */
static float *read_part(const model_content *m, const content_tensor *t, uint64_t first, uint64_t count) {
  float *values = (float *)malloc((size_t)count * sizeof *values);
  if (values) content_read(m, t, first, count, values);
  return values;
}

/* A linear layer of the network; both are NULL if there is no such layer. */
typedef struct layer {
  const content_tensor *weights, *bias;
} layer;

static layer find_part(const model_content *m, int32_t block, dit__tensor_part part) {
  layer found = {NULL, NULL};
  for (size_t i = 0; i < m->count; i++) {
    const dit__tensor *t = &m->tensors[i].tensor;
    if (t->block != block || t->part != part) continue;
    *(t->role == DIT__ROLE_BIAS ? &found.bias : &found.weights) = &m->tensors[i];
  }
  return found;
}

/* Reads rows first.. of a layer: out[0] is weights [rows][k] and out[1] bias [rows], to be freed; both are NULL if there
 * is no such layer. */
static dit_status read_rows(const model_content *m, layer from, int64_t first, int64_t rows, int64_t k, float *out[2],
                            dit_error *error) {
  out[0] = out[1] = NULL;
  if (!from.weights || !from.bias) return DIT_OK;
  out[0] = read_part(m, from.weights, (uint64_t)(first * k), (uint64_t)(rows * k));
  out[1] = read_part(m, from.bias, (uint64_t)first, (uint64_t)rows);
  if (out[0] && out[1]) return DIT_OK;
  free(out[0]);
  free(out[1]);
  out[0] = out[1] = NULL;
  return no_memory(error);
}

static double silu(double x) { return x / (1 + dit__exp(-x)); }

/* out[rows][D] = w [rows][k] * x [k][D] + bias. */
static void multiply(const float *w, const float *bias, double weight, int64_t rows, int64_t k, const double *x,
                     double *out) {
  for (int64_t row = 0; row < rows; row++, out += D) {
    for (int d = 0; d < D; d++) out[d] = weight * (double)bias[row];
    for (int64_t i = 0; i < k; i++, w++)
      for (int d = 0; d < D; d++) out[d] += (double)*w * x[i * D + d];
  }
}

/* ---- Conditions ---- */

/* Computes the embeddings [hidden][D] of TIMES timesteps spread over the process, in the even columns. */
static dit_status embed_times(const model_content *m, int diffusers, int64_t hidden, double *out, dit_error *error) {
  float *in[4] = {NULL, NULL, NULL, NULL};
  const layer first = {find(m, "t_embedder.mlp.0.weight"), find(m, "t_embedder.mlp.0.bias")};
  const layer second = {find(m, "t_embedder.mlp.2.weight"), find(m, "t_embedder.mlp.2.bias")};
  dit_status status = read_rows(m, first, 0, hidden, FEATURES, in, error);
  if (!status) status = read_rows(m, second, 0, hidden, hidden, in + 2, error);
  double *features = (double *)calloc((size_t)FEATURES * D, sizeof *features);
  double *inner = (double *)malloc((size_t)hidden * D * sizeof *inner);
  if (!status && !(features && inner)) status = no_memory(error);
  for (int time = 0; !status && time < TIMES; time++) {
    double embedding[DIT__TIMESTEP_CHANNELS];
    dit__timestep_embedding(1000 * (time + 0.5) / TIMES, diffusers ? 127 : 128, embedding);
    for (int j = 0; j < FEATURES; j++) features[j * D + 2 * time] = embedding[j];
  }
  if (!status) {
    multiply(in[0], in[1], 1, hidden, FEATURES, features, inner);
    for (int64_t i = 0; i < hidden * D; i++) inner[i] = silu(inner[i]);
    multiply(in[2], in[3], 1, hidden, hidden, inner, out);
  }
  for (int i = 0; i < 4; i++) free(in[i]);
  free(inner);
  free(features);
  return status;
}

/* Reads `count` rows spread over the label table, and its last row, to be freed; NULL without memory. The table of a
 * model with many classes is large, so not all of it is read. */
static float *read_classes(const model_content *m, const content_tensor *labels, int64_t hidden, int64_t count) {
  const int64_t rows = (int64_t)labels->tensor.shape[0];
  float *values = (float *)malloc((size_t)((count + 1) * hidden) * sizeof *values);
  for (int64_t i = 0; values && i <= count; i++) {
    const int64_t row = i < count ? i * (rows - 1) / count : rows - 1;
    content_read(m, labels, (uint64_t)(row * hidden), (uint64_t)hidden, values + i * hidden);
  }
  return values;
}

/* Turns time embeddings into conditions: direction 2 t is the mean over classes at time t, 2 t + 1 that of the last row
 * of the table, which is the null class if there is one. `labels` has `count` classes, and then that row. */
static void mix_classes(q4_conditions *c, const float *labels, int64_t count) {
  for (int64_t k = 0; k < c->hidden; k++)
    for (int time = 0; time < TIMES; time++) {
      double *p = c->p + k * D + 2 * (ptrdiff_t)time, mean = 0, square = 0;
      const double embedded = *p, alone = silu(embedded + (double)labels[count * c->hidden + k]);
      for (int64_t i = 0; i < count; i++) {
        const double value = silu(embedded + (double)labels[i * c->hidden + k]);
        mean += value / (double)count;
        square += value * value / (double)count;
      }
      p[0] = c->weight * (count ? mean : alone);
      p[1] = c->weight * alone;
      c->square[k] += c->weight * c->weight * ((count ? square : alone * alone) + alone * alone);
    }
}

dit_status q4_conditions_make(const model_content *m, int diffusers, q4_conditions *out, dit_error *error) {
  const content_tensor *labels = find(m, "y_embedder.embedding_table.weight"),
                       *time = find(m, "t_embedder.mlp.0.weight");
  memset(out, 0, sizeof *out);
  if (!labels || !time) return DIT_OK;
  const int64_t hidden = (int64_t)time->tensor.shape[0], rows = (int64_t)labels->tensor.shape[0];
  out->hidden = hidden;
  out->weight = sqrt(1.0 / D);
  out->p = (double *)malloc((size_t)hidden * D * sizeof *out->p);
  out->square = (double *)calloc((size_t)hidden, sizeof *out->square);
  const int64_t count = rows - 1 < CLASSES ? rows - 1 : CLASSES;
  float *table = read_classes(m, labels, hidden, count);
  dit_status status =
      out->p && out->square && table ? embed_times(m, diffusers, hidden, out->p, error) : no_memory(error);
  if (!status) mix_classes(out, table, count);
  free(table);
  if (status) q4_conditions_free(out);
  return status;
}

void q4_conditions_free(q4_conditions *c) {
  free(c->p);
  free(c->square);
  memset(c, 0, sizeof *c);
}

/* ---- Inputs of a matrix ---- */

/* Computes how later columns compensate the error of earlier ones. For e = sum of error * p over the columns so far, the
 * squared error of the product is least if column k adds -gain[k] . e, with gain = (1 + S)^-1 p / rest and S = sum of
 * p p' / rest over the columns from k on. The inverse is updated from the last column backwards (Sherman and
 * Morrison). */
static void answer(q4_inputs *in, const double *p, const double *rest) {
  double inverse[D][D] = {{0}}, mean = 0, known = 0;
  for (int i = 0; i < D; i++) inverse[i][i] = 1;
  for (int64_t k = 0; k < in->k; k++) mean += rest[k] / (double)in->k;
  for (int64_t i = 0; i < in->k * D; i++) known += p[i] * p[i] / (double)in->k;
  /* With a single class nothing is left but rounding errors. The inputs are not that well known: other timesteps have
   * others. */
  const double least = mean > 1e-6 * known ? 1e-3 * mean : 1e-2 * known;
  for (int64_t k = in->k - 1; k >= 0; k--) {
    const double *own = p + k * D, left = rest[k] > least ? rest[k] : least;
    double turned[D], size = left;
    for (int i = 0; i < D; i++) {
      turned[i] = 0;
      for (int j = 0; j < D; j++) turned[i] += inverse[i][j] * own[j];
      size += turned[i] * own[i];
    }
    for (int i = 0; i < D; i++) {
      for (int j = 0; j < D; j++) inverse[i][j] -= turned[i] * turned[j] / size;
      in->p[k * D + i] = (float)own[i];
      in->gain[k * D + i] = size > 0 ? (float)(turned[i] / size) : 0;
    }
  }
}

/* Subtracts from the second moments what the directions explain. */
static void take_rest(const double *p, int64_t k, double *square) {
  for (int64_t i = 0; i < k; i++)
    for (int d = 0; d < D; d++) square[i] -= p[i * D + d] * p[i * D + d];
}

/* Estimates the output of a norm with weights: its mean is beta, its standard deviation gamma. */
static dit_status affine_inputs(const model_content *m, const q4_conditions *c, int32_t block, norm_place place,
                                double *p, double *rest, dit_error *error) {
  char name[64];
  snprintf(name, sizeof name, "blocks.%d.norm%d.weight", (int)block, (int)place);
  const content_tensor *gammas = find(m, name);
  snprintf(name, sizeof name, "blocks.%d.norm%d.bias", (int)block, (int)place);
  const content_tensor *betas = find(m, name);
  if (!gammas || !betas) return DIT_OK;
  float *gamma = read_part(m, gammas, 0, (uint64_t)c->hidden), *beta = read_part(m, betas, 0, (uint64_t)c->hidden);
  for (int64_t i = 0; gamma && beta && i < c->hidden; i++) {
    for (int d = 0; d < D; d++) p[i * D + d] = c->weight * (double)beta[i];
    rest[i] = (double)gamma[i] * (double)gamma[i];
  }
  const dit_status status = gamma && beta ? DIT_OK : no_memory(error);
  free(gamma);
  free(beta);
  return status;
}

/* Estimates the output of a norm: with modulation, its mean is the shift, its standard deviation 1 + scale. */
static dit_status norm_inputs(const model_content *m, const q4_conditions *c, int32_t block, norm_place place,
                              double *p, double *rest, dit_error *error) {
  const int64_t h = c->hidden;
  const layer modulation = find_part(m, block, DIT__PART_MODULATION);
  if (!modulation.weights) return affine_inputs(m, c, block, place, p, rest, error);
  const int64_t half = (int64_t)modulation.weights->tensor.shape[0] / 2; /* the rows for each norm */
  float *in[2];
  dit_status status = read_rows(m, modulation, place == BEFORE_MLP ? half : 0, 2 * h, h, in, error);
  if (status || !in[0]) return status;
  double *scale = (double *)malloc((size_t)(h * D) * sizeof *scale);
  if (!scale) status = no_memory(error);
  if (!status) {
    multiply(in[0], in[1], c->weight, h, h, c->p, p);
    multiply(in[0] + h * h, in[1] + h, c->weight, h, h, c->p, scale);
    for (int64_t i = 0; i < h; i++) {
      rest[i] = 0;
      for (int d = 0; d < D; d++) rest[i] += (c->weight + scale[i * D + d]) * (c->weight + scale[i * D + d]);
    }
  }
  free(scale);
  free(in[1]);
  free(in[0]);
  return status;
}

/* Estimates the output of attention: an average of values, in which three quarters of the variance between tokens are
 * assumed to be lost. */
static dit_status attention_inputs(const model_content *m, const q4_conditions *c, int32_t block, double *p,
                                   double *rest, dit_error *error) {
  const int64_t h = c->hidden;
  float *in[2];
  dit_status status = read_rows(m, find_part(m, block, DIT__PART_QKV), 2 * h, h, h, in, error);
  if (status || !in[0]) return status;
  double *inner = (double *)calloc((size_t)(h * D), sizeof *inner),
         *spread = (double *)calloc((size_t)h, sizeof *spread);
  status = inner && spread ? norm_inputs(m, c, block, BEFORE_ATTENTION, inner, spread, error) : no_memory(error);
  if (!status) {
    const float *weights = in[0];
    multiply(weights, in[1], c->weight, h, h, inner, p);
    for (int64_t i = 0; i < h; i++) {
      rest[i] = 0;
      for (int64_t k = 0; k < h; k++)
        rest[i] += 0.25 * (double)weights[i * h + k] * (double)weights[i * h + k] * spread[k];
    }
  }
  free(spread);
  free(inner);
  free(in[1]);
  free(in[0]);
  return status;
}

/* Estimates the output of GELU: of a normal number it has the mean 0.282 and the second moment 0.425. */
static void gelu_inputs(int64_t k, double *p, double *rest) {
  for (int64_t i = 0; i < k; i++) {
    p[i * D] = 0.282;
    rest[i] = 0.425 - 0.282 * 0.282;
  }
}

/* Fills in what is known about the inputs of a matrix; the rest stays as it is. */
static dit_status fill_inputs(const model_content *m, const q4_conditions *c, const dit__tensor *t, double *p,
                              double *rest, dit_error *error) {
  const int64_t k = (int64_t)t->shape[1];
  if (t->part != DIT__PART_FC2 && c->hidden != k) return DIT_OK;
  switch (t->part) {
    case DIT__PART_FC2: gelu_inputs(k, p, rest); return DIT_OK;
    case DIT__PART_QKV: return norm_inputs(m, c, t->block, BEFORE_ATTENTION, p, rest, error);
    case DIT__PART_FC1: return norm_inputs(m, c, t->block, BEFORE_MLP, p, rest, error);
    case DIT__PART_PROJ: return attention_inputs(m, c, t->block, p, rest, error);
    case DIT__PART_MODULATION:
      memcpy(p, c->p, (size_t)(k * D) * sizeof *p);
      memcpy(rest, c->square, (size_t)k * sizeof *rest);
      take_rest(p, k, rest);
      return DIT_OK;
    default: return DIT_OK;
  }
}

dit_status q4_inputs_make(const model_content *m, const q4_conditions *c, const content_tensor *t, q4_inputs *out,
                          dit_error *error) {
  const int64_t k = (int64_t)t->tensor.shape[1];
  out->k = k;
  out->p = (float *)calloc((size_t)(k * D), sizeof *out->p);
  out->gain = (float *)calloc((size_t)(k * D), sizeof *out->gain);
  double *p = (double *)calloc((size_t)(k * D), sizeof *p), *rest = (double *)malloc((size_t)k * sizeof *rest);
  dit_status status = out->p && out->gain && p && rest ? DIT_OK : no_memory(error);
  for (int64_t i = 0; !status && i < k; i++) rest[i] = 1;
  if (!status) status = fill_inputs(m, c, &t->tensor, p, rest, error);
  if (!status) answer(out, p, rest);
  free(rest);
  free(p);
  return status;
}

void q4_inputs_free(q4_inputs *inputs) {
  free(inputs->p);
  free(inputs->gain);
  memset(inputs, 0, sizeof *inputs);
}
