/* Attention, layer norm, and what a group norm needs, of every instruction set (kernels.h says how).
 *
 * It fails if a reduction has other bits than the reference, or if attention or layer norm is less accurate than said
 * below. */
#include "tests/kernels.h"

/* ---- Attention ---- */

/* Computes the case's softmax in double; returns the largest difference to `got`. */
static double attention_error(const dit__attention *a, const float *keys, ptrdiff_t key_stride, const float *values,
                              ptrdiff_t value_stride, int32_t query, const float *got, double *weight) {
  double top = -1e300, total = 0, error = 0;
  for (int32_t j = 0; j < a->tokens; j++) {
    weight[j] = 0;
    for (int32_t d = 0; d < a->dim; d++) weight[j] += (double)a->q[query * a->q_stride + d] * keys[j * key_stride + d];
    weight[j] *= a->scale;
    top = weight[j] > top ? weight[j] : top;
  }
  for (int32_t j = 0; j < a->tokens; j++) total += weight[j] = exp(weight[j] - top);
  for (int32_t d = 0; d < a->dim; d++) {
    double sum = 0;
    for (int32_t j = 0; j < a->tokens; j++) sum += weight[j] * values[j * value_stride + d];
    error = fmax(error, fabs(sum / total - got[query * a->out_stride + d]));
  }
  return error;
}

static worst attention_worst; /* relative to the largest value */

static void test_attention(int style) {
  dit__attention a;
  memset(&a, 0, sizeof a);
  a.tokens = random_size(random_below(2) ? 100 : 600);
  a.dim = random_below(12) ? random_size(90) : random_size(560);
  if (a.dim > 90) a.tokens = random_size(300);
  a.scale = (float)(1 / sqrt((double)a.dim));
  a.q_stride = a.dim + random_below(9);
  a.out_stride = a.dim + random_below(9);
  const int32_t value_stride = a.dim + random_below(9), most = random_size(60);
  const int32_t first = random_below(a.tokens), left = a.tokens - first, count = left < most ? left : most;
  const matrix keys = random_matrix(DIT__F32, a.tokens, a.dim, 1, style);
  const float *values = floats((size_t)((a.tokens - 1) * value_stride + a.dim), style);
  const size_t out_count = (size_t)((a.tokens - 1) * a.out_stride + a.dim);
  float *before = floats(out_count, PLAIN), *expected = NULL;
  a.q = floats((size_t)((a.tokens - 1) * a.q_stride + a.dim), style);
  for (int t = 0; t < table_count; t++) {
    const dit__kernels *k = &tables[t];
    now(t, "attention of %d tokens, %d channels, queries %d..%d, %s", (int)a.tokens, (int)a.dim, (int)first,
        (int)(first + count - 1), style_names[style]);
    float *panels = floats(panel_floats(k, a.dim, a.tokens), STYLES);
    k->pack_columns(values, value_stride, a.tokens, a.dim, panels);
    a.values = panels;
    a.keys = packed(k, &keys, 0, a.tokens);
    a.out = copy(before, out_count);
    k->attention(&a, first, count, floats((size_t)dit__attention_scratch(a.dim), STYLES));
    if (t == 0)
      expected = a.out;
    else
      same_floats(expected, a.out, out_count);
  }
  double *weight = (double *)array_new((size_t)a.tokens * sizeof(double)), error = 0;
  for (int32_t i = first; i < first + count && style == PLAIN; i += 5)
    error = fmax(error, attention_error(&a, keys.dense, a.dim, values, value_stride, i, expected, weight));
  keep_worst(&attention_worst, error / 2, a.tokens); /* plain numbers reach 2 */
  release_arrays();
}

/* ---- Rows ---- */

static worst norm_worst; /* relative to the largest of base + scale, shift and the result */

static void norm_error(const float *x, int32_t width, const float *shift, double base, const float *scale,
                       const float *got) {
  double mean = 0, variance = 0;
  for (int32_t i = 0; i < width; i++) mean += x[i];
  mean /= width;
  for (int32_t i = 0; i < width; i++) variance += (x[i] - mean) * (x[i] - mean);
  const double factor = 1 / sqrt(variance / width + 1e-6);
  if (factor > 2) return; /* of a row that is nearly constant, rounding is what is left */
  for (int32_t i = 0; i < width; i++) {
    const double y = (x[i] - mean) * factor, truth = y * (base + scale[i]) + shift[i];
    keep_worst(&norm_worst, fabs(got[i] - truth) / (1 + fabs(base + scale[i]) + fabs(shift[i]) + fabs(truth)), width);
  }
}

static void test_norm_modulate(int style) {
  const int32_t rows = 1 + random_below(5), width = random_below(4) ? random_size(150) : random_size(1300);
  const int32_t x_stride = width + random_below(5), out_stride = width + random_below(5);
  const float *x = floats((size_t)((rows - 1) * x_stride + width), style);
  const float *shift = floats((size_t)width, style), *scale = floats((size_t)width, style);
  const float base = (float)random_below(2);
  const size_t count = (size_t)((rows - 1) * out_stride + width);
  float *before = floats(count, PLAIN), *expected = copy(before, count);
  now(0, "norm_modulate");
  tables[0].norm_modulate(x, x_stride, rows, width, 1e-6f, shift, base, scale, expected, out_stride);
  for (int t = 1; t < table_count; t++) {
    now(t, "norm_modulate %d x %d, %s", (int)rows, (int)width, style_names[style]);
    float *out = copy(before, count);
    tables[t].norm_modulate(x, x_stride, rows, width, 1e-6f, shift, base, scale, out, out_stride);
    same_floats(expected, out, count);
  }
  for (int32_t r = 0; r < rows && style == PLAIN; r++)
    norm_error(x + r * x_stride, width, shift, base, scale, expected + r * out_stride);
  release_arrays();
}

static void test_affine(int style) {
  const int32_t pixels = 1 + random_below(12), channels = random_size(100), silu = random_below(2);
  const int32_t step = random_below(3) ? channels + random_below(9) : 0;
  const float *x = floats((size_t)((pixels - 1) * step + channels), style);
  const float *scale = floats((size_t)channels, PLAIN), *shift = floats((size_t)channels, style);
  const size_t count = (size_t)(pixels * channels);
  float *expected = floats(count, STYLES);
  for (int32_t i = 0; i < pixels * channels; i++) {
    const int32_t c = i % channels;
    const float y = fmaf(x[i / channels * step + c], scale[c], shift[c]);
    expected[i] = silu ? reference_silu(y) : y;
  }
  for (int t = 0; t < table_count; t++) {
    now(t, "affine %d x %d, silu %d, %s", (int)pixels, (int)channels, (int)silu, style_names[style]);
    float *out = floats(count, STYLES);
    tables[t].affine(x, step, pixels, channels, scale, shift, silu, out);
    same_floats(expected, out, count);
  }
  release_arrays();
}

static void test_channel_sums(int style) {
  const int32_t pixels = 1 + random_below(40), channels = random_size(100);
  const float *x = floats((size_t)(pixels * channels), style);
  double *expected = (double *)array_new((size_t)channels * 2 * sizeof(double));
  for (int32_t c = 0; c < channels; c++) {
    expected[c] = expected[channels + c] = 0;
    for (int32_t p = 0; p < pixels; p++) {
      const double value = x[p * channels + c];
      expected[c] += value;
      expected[channels + c] += value * value;
    }
  }
  for (int t = 0; t < table_count; t++) {
    now(t, "channel_sums %d x %d, %s", (int)pixels, (int)channels, style_names[style]);
    double *sum = (double *)array_new((size_t)channels * sizeof(double));
    double *squares = (double *)array_new((size_t)channels * sizeof(double));
    tables[t].channel_sums(x, pixels, channels, sum, squares);
    same_bytes(expected, sum, (size_t)channels * sizeof(double));
    same_bytes(expected + channels, squares, (size_t)channels * sizeof(double));
  }
  release_arrays();
}

/* ---- All of it ---- */

static void test_round(int style) {
  test_attention(style);
  test_norm_modulate(style);
  test_affine(style);
  test_channel_sums(style);
}

int main(int argc, char **argv) {
  const int large = kernels_begin(argc, argv, 0);
  kernels_rounds(large, test_round);
  printf("  attention   largest error %.3g of the largest value\n", attention_worst.error);
  printf("  layer norm  largest relative error %.3g\n", norm_worst.error);
  CHECK(attention_worst.error < 1e-6, "attention: error %g with %g tokens", attention_worst.error, attention_worst.at);
  CHECK(norm_worst.error < 1e-6, "layer norm: error %g at width %g", norm_worst.error, norm_worst.at);
  return test_end("test_kernels_rows");
}
