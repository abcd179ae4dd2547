#include "lib/core/numerics.h" /* so that every machine fits the same bits */

#include "weights/convert/write/check_written.h"
#include "weights/convert/write/preview.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/platform.h"
#include "lib/job/call.h"
#include "programs/mapped_file.h"
#include "weights/convert/write/gguf_write.h"

enum { SAMPLES = 4096, MAX_CHANNELS = 64 };

/* What is not begun without --long: an hour of one thread at 25 GFLOP/s, and the memory of no decoder that people have. */
static const double MAX_FLOPS = 9e13;
static const uint64_t MAX_MEMORY = (uint64_t)2 << 30;

/* The sums of a weighted linear regression from `inputs` numbers, the last of which is 1, to `outputs` numbers. */
typedef struct regression {
  int inputs, outputs;
  double *square; /* [inputs][inputs] of products of inputs */
  double *mixed;  /* [inputs][outputs] of products with outputs; solved in place */
  double energy;  /* sum of squares of outputs */
  double count;   /* of outputs, weighted */
} regression;

static void add_sample(regression *r, const double *x, const double *y, double weight) {
  for (int i = 0; i < r->inputs; i++) {
    for (int j = 0; j < r->inputs; j++) r->square[i * r->inputs + j] += weight * x[i] * x[j];
    for (int j = 0; j < r->outputs; j++) r->mixed[i * r->outputs + j] += weight * x[i] * y[j];
  }
  for (int j = 0; j < r->outputs; j++) r->energy += weight * y[j] * y[j];
  r->count += weight * r->outputs;
}

static void swap_rows(double *a, int columns, int i, int j) {
  for (int k = 0; k < columns; k++) {
    double kept = a[i * columns + k];
    a[i * columns + k] = a[j * columns + k];
    a[j * columns + k] = kept;
  }
}

/* Solves by Gauss-Jordan elimination with pivots; `mixed` becomes the solution. Returns 0 if there is none, or more than
 * one. */
static int solve(regression *r) {
  int n = r->inputs, m = r->outputs;
  for (int k = 0; k < n; k++) {
    int pivot = k;
    for (int i = k + 1; i < n; i++)
      if (fabs(r->square[i * n + k]) > fabs(r->square[pivot * n + k])) pivot = i;
    swap_rows(r->square, n, k, pivot);
    swap_rows(r->mixed, m, k, pivot);
    double diagonal = r->square[k * n + k];
    if (!(fabs(diagonal) > 1e-9)) return 0;
    for (int i = 0; i < n; i++) {
      double factor = r->square[i * n + k] / diagonal;
      if (i == k) continue;
      for (int j = k; j < n; j++) r->square[i * n + j] -= factor * r->square[k * n + j];
      for (int j = 0; j < m; j++) r->mixed[i * m + j] -= factor * r->mixed[k * m + j];
    }
    for (int j = k; j < n; j++) r->square[k * n + j] /= diagonal;
    for (int j = 0; j < m; j++) r->mixed[k * m + j] /= diagonal;
  }
  return 1;
}

/* Makes a random latent plane of unit variance. One plane in four is white noise, the others are smooth with a grain,
 * since real latents have both. `cells` is the side of the coarse field; 0 means white noise. */
static dit_status random_plane(dit_rng *rng, int side, int cells, float *plane) {
  float coarse[16 * 16];
  dit_status status = dit_rng_normal(rng, (int64_t)side * side, plane);
  if (status || !cells) return status;
  status = dit_rng_normal(rng, (int64_t)cells * cells, coarse);
  if (status) return status;
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      double at_y = (double)y * (cells - 1) / (side - 1), at_x = (double)x * (cells - 1) / (side - 1);
      int row = (int)at_y < cells - 2 ? (int)at_y : cells - 2, column = (int)at_x < cells - 2 ? (int)at_x : cells - 2;
      double v = at_y - row, u = at_x - column;
      const float *c = coarse + row * cells + column;
      double smooth = (1 - v) * ((1 - u) * c[0] + u * c[1]) + v * ((1 - u) * c[cells] + u * c[cells + 1]);
      plane[y * side + x] = (float)(smooth + 0.3 * plane[y * side + x]);
    }
  return DIT_OK;
}

static double clipped(float value) { return value > 1 ? 1 : value < -1 ? -1 : value; }

/* Adds every latent pixel of a picture, with the mean of the pixels that it was decoded to. The latent is in the
 * transformer's scale. If there is an alpha channel, the fourth, colours are weighted by it. */
static void add_picture(regression *colours, regression *alpha, int side, int factor, const float *latent,
                        const float *image) {
  double x[MAX_CHANNELS + 1], y[MAX_CHANNELS];
  int plane = side * side, inputs = colours->inputs - 1;
  size_t width = (size_t)side * (size_t)factor, channel = width * width;
  for (int p = 0; p < plane; p++) {
    const float *corner = image + (size_t)(p / side) * (size_t)factor * width + (size_t)(p % side) * (size_t)factor;
    double seen = 0;
    for (int c = 0; c < inputs; c++) x[c] = latent[c * plane + p];
    x[inputs] = 1;
    memset(y, 0, sizeof y);
    for (int i = 0; i < factor * factor; i++) {
      const float *pixel = corner + (size_t)(i / factor) * width + (size_t)(i % factor);
      double opacity = alpha->outputs ? (1 + clipped(pixel[3 * channel])) / 2 : 1;
      for (int k = 0; k < colours->outputs; k++) y[k] += opacity * clipped(pixel[(size_t)k * channel]);
      seen += opacity;
    }
    double mean = seen / ((double)factor * factor), opaque = 2 * mean - 1;
    for (int k = 0; k < colours->outputs && seen > 0; k++) y[k] /= seen;
    add_sample(colours, x, y, mean);
    add_sample(alpha, x, &opaque, 1);
  }
}

static int count_pictures(int side) { return (SAMPLES + side * side - 1) / (side * side); }

/* Refuses what would take too long. */
static dit_status check_work(const dit_model *network, int side, dit_error *error) {
  const dit__vae_call call = {
      .model = network, .decode = 1, .count = count_pictures(side), .height = side, .width = side};
  const double flops = dit__vae_call_flops(&call);
  if (flops <= MAX_FLOPS) return DIT_OK;
  return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                   "fitting the preview decodes %d pictures of %.0f GFLOP, which takes hours; add --long to go ahead",
                   call.count, 1e-9 * flops / call.count);
}

static dit_status run_decoder(const dit_model *network, const dit_info *info, int side, regression *colours,
                              regression *alpha, const progress *watch, dit_error *error) {
  size_t numbers = (size_t)info->latent_channels * side * side, width = (size_t)side * info->vae_scale_factor;
  float *latent = (float *)malloc(2 * numbers * sizeof(float));
  float *image = (float *)malloc((size_t)info->image_channels * width * width * sizeof(float));
  dit_rng *rng = NULL;
  dit_status status = dit_rng_open(DIT_GENERATOR_DIT, 1, &rng, error);
  if (!latent || !image) status = dit__fail(error, DIT_ERROR_MEMORY, "no memory for the preview's pictures");
  int pictures = count_pictures(side);
  for (int k = 0; !status && k < pictures; k++) {
    static const int cells[] = {0, 2, 3, 4};
    for (int c = 0; !status && c < info->latent_channels; c++)
      status = random_plane(rng, side, cells[k % 4], latent + (size_t)c * side * side);
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): the planes above are all of them. */
    for (size_t i = 0; !status && i < numbers; i++) latent[numbers + i] = latent[i] / info->scaling_factor;
    if (!status) status = dit_vae_decode(network, 1, side, side, latent + numbers, image, error);
    if (!status) add_picture(colours, alpha, side, info->vae_scale_factor, latent, image);
    if (!status && watch && watch->report(watch->user, (uint64_t)k + 1, (uint64_t)pictures))
      status = dit__fail(error, DIT_CANCELLED, "interrupted");
  }
  dit_rng_close(rng);
  free(latent);
  free(image);
  return status;
}

/* Solves one regression. Its outputs become rows of the map, and *rest grows by the squares that it leaves. */
static int finish(regression *r, float *map, double *rest, double *count) {
  size_t mixed = (size_t)r->inputs * (size_t)r->outputs;
  double products[MAX_CHANNELS * (MAX_CHANNELS + 1)];
  if (!r->outputs) return 1;
  memcpy(products, r->mixed, mixed * sizeof *products);
  if (!solve(r)) return 0;
  *rest += r->energy;
  *count += r->count;
  for (size_t i = 0; i < mixed; i++) *rest -= products[i] * r->mixed[i];
  for (int k = 0; k < r->outputs; k++)
    for (int c = 0; c < r->inputs; c++) map[k * r->inputs + c] = (float)r->mixed[c * r->outputs + k];
  return 1;
}

/* Fills map[image_channels][latent_channels + 1]. */
static dit_status fit(const dit_model *network, const dit_info *info, int allow_long, const progress *watch, float *map,
                      double *error_rms, dit_error *error) {
  int inputs = info->latent_channels + 1, with_alpha = info->image_channels == 4;
  size_t square = (size_t)inputs * (size_t)inputs, mixed = (size_t)inputs * (size_t)info->image_channels;
  int side = info->latent_size < 4 || info->latent_size > 16 ? 16 : info->latent_size;
  dit_status status = allow_long ? DIT_OK : check_work(network, side, error);
  if (status) return status;
  double *sums = (double *)calloc(2 * square + mixed, sizeof *sums), rest = 0, count = 0;
  if (!sums) return dit__fail(error, DIT_ERROR_MEMORY, "no memory for the preview's sums");
  regression colours = {inputs, info->image_channels - with_alpha, sums, sums + 2 * square, 0, 0};
  regression alpha = {inputs, with_alpha, sums + square, colours.mixed + inputs * colours.outputs, 0, 0};
  status = run_decoder(network, info, side, &colours, &alpha, watch, error);
  if (!status &&
      !(finish(&colours, map, &rest, &count) && finish(&alpha, map + colours.outputs * inputs, &rest, &count)))
    status = dit__fail(error, DIT_ERROR_FORMAT, "the decoder's pictures allow no linear fit");
  *error_rms = sqrt(rest > 0 ? rest / count : 0);
  free(sums);
  return status;
}

static int is_key(const char *name, size_t length, const char *key) {
  return length == strlen(key) && memcmp(name, key, length) == 0;
}

/* Writes the model again with another map; everything else is copied. */
static dit_status rewrite(const dit__gguf *file, const char *out, const float *map, size_t count, dit_error *error) {
  gguf_writer *w;
  const char *name;
  const uint8_t *record;
  size_t length, size;
  dit_status status = gguf_writer_open(out, &w, error);
  if (status) return status;
  for (uint64_t i = 0; (record = dit__gguf_key_at(file, i, &name, &length, &size)) != NULL; i++)
    if (!is_key(name, length, "general.alignment") && !is_key(name, length, "dit.preview"))
      gguf_writer_copy(w, record, size);
  gguf_writer_f32s(w, "dit.preview", map, count);
  for (uint64_t i = 0; i < dit__gguf_tensor_count(file); i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(file, i);
    gguf_writer_tensor(w, t->name, t->type, t->rank, t->shape);
  }
  status = gguf_writer_begin(w, NULL, error);
  for (uint64_t i = 0; !status && i < dit__gguf_tensor_count(file); i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(file, i);
    status = gguf_writer_data(w, t->data, (size_t)t->count * dit__gguf_type_size(t->type), error);
  }
  if (!status) return gguf_writer_finish(w, check_written, error);
  gguf_writer_abandon(w);
  return status;
}

static dit_status fit_file(const char *path, const char *out, const dit_options *options, int allow_long,
                           const progress *watch, double *error_rms, dit_error *error) {
  float map[MAX_CHANNELS * (MAX_CHANNELS + 1)];
  dit_model *network;
  dit_info info;
  dit_options bounded = {.struct_size = sizeof bounded};
  if (options) bounded = *options;
  if (!allow_long && !bounded.memory_limit) bounded.memory_limit = MAX_MEMORY;
  dit_status status = dit_model_open(path, &bounded, &network, error);
  if (status) return status;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  status = dit_model_info(network, &info);
  if (!info.has_decoder || info.latent_channels > MAX_CHANNELS || info.image_channels > MAX_CHANNELS)
    status = dit__fail(error, DIT_ERROR_UNSUPPORTED, "%s: a preview needs an autoencoder of at most %d channels", path,
                       MAX_CHANNELS);
  if (!status) status = fit(network, &info, allow_long, watch, map, error_rms, error);
  dit_model_close(network);
  if (status == DIT_ERROR_MEMORY && bounded.memory_limit == MAX_MEMORY)
    return dit__fail(error, status,
                     "%s: fitting the preview takes more memory than 2 GB, or than there is; add --long to go ahead",
                     path);
  if (status) return status;

  dit__file bytes;
  dit__gguf *file;
  status = dit__file_open(path, DIT_LOAD_MAP, NULL, &bytes, error);
  if (status) return status;
  status = dit__gguf_open(bytes.bytes, bytes.size, NULL, &file, error);
  if (!status)
    status = rewrite(file, out, map, (size_t)info.image_channels * ((size_t)info.latent_channels + 1), error);
  dit__gguf_close(file, NULL);
  dit__file_close(&bytes, NULL);
  return status;
}

dit_status preview_fit(const char *path, const char *out, const dit_options *options, int allow_long,
                       const progress *watch, double *error_rms, dit_error *error) {
  mapped_file *file = mapped_file_watch(path);
  if (!file) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  dit_status status = fit_file(path, out, options, allow_long, watch, error_rms, error);
  mapped_file_forget(file);
  return status;
}
