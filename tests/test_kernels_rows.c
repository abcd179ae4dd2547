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

/* Row r of `got` against the norm in double. */
static void norm_error(const dit__norm_rows *n, int32_t r, const float *got) {
  const float *x = n->x + r * n->x_stride;
  double mean = 0, variance = 0;
  for (int32_t i = 0; i < n->width && !n->rms; i++) mean += (double)x[i] / n->width;
  for (int32_t i = 0; i < n->width; i++) variance += (x[i] - mean) * (x[i] - mean);
  const double factor = 1 / sqrt(variance / n->width + (double)n->eps);
  if (factor > 2) return; /* of a row that is nearly constant, rounding is what is left */
  for (int32_t i = 0; i < n->width; i++) {
    const double scale = ((double)n->base + n->scale[i]) * (n->gamma ? n->gamma[i] : 1),
                 shift = n->shift ? n->shift[i] : 0;
    const double truth = (x[i] - mean) * factor * scale + shift;
    keep_worst(&norm_worst, fabs(got[i] - truth) / (1 + fabs(scale) + fabs(shift) + fabs(truth)), n->width);
  }
}

static void test_norm(int style) {
  const int32_t width = random_below(4) ? random_size(150) : random_size(1300);
  dit__norm_rows n = {.rows = 1 + random_below(5),
                      .width = width,
                      .rms = random_below(2),
                      .eps = random_below(2) ? 1e-6f : 1e-5f,
                      .base = (float)random_below(2),
                      .x_stride = width + random_below(5),
                      .out_stride = width + random_below(5)};
  n.x = floats((size_t)((n.rows - 1) * n.x_stride + width), style);
  n.scale = floats((size_t)width, style);
  n.shift = random_below(3) ? floats((size_t)width, style) : NULL;
  n.gamma = random_below(2) ? floats((size_t)width, style) : NULL;
  const size_t count = (size_t)((n.rows - 1) * n.out_stride + width);
  float *before = floats(count, PLAIN), *expected = copy(before, count);
  now(0, "norm");
  n.out = expected;
  tables[0].norm(&n);
  for (int t = 1; t < table_count; t++) {
    now(t, "norm %d x %d, %s", (int)n.rows, (int)width, style_names[style]);
    n.out = copy(before, count);
    tables[t].norm(&n);
    same_floats(expected, n.out, count);
  }
  for (int32_t r = 0; r < n.rows && style == PLAIN; r++) norm_error(&n, r, expected + r * n.out_stride);
  release_arrays();
}

/* In place, as norms of queries and keys are. */
static void test_norm_in_place(int style) {
  const int32_t width = random_size(100), rows = 1 + random_below(4), stride = width + random_below(40);
  const size_t count = (size_t)((rows - 1) * stride + width);
  float *x = floats(count, style), *expected = copy(x, count);
  dit__norm_rows n = {.rows = rows,
                      .width = width,
                      .rms = 1,
                      .eps = 1e-6f,
                      .x = x,
                      .scale = floats((size_t)width, style),
                      .x_stride = stride,
                      .out_stride = stride,
                      .out = expected};
  tables[0].norm(&n);
  for (int t = 0; t < table_count; t++) {
    now(t, "norm in place, %d x %d", (int)rows, (int)width);
    float *both = copy(x, count);
    n.x = n.out = both;
    tables[t].norm(&n);
    same_floats(expected, both, count);
  }
  release_arrays();
}

static void test_rotate(int style) {
  const int32_t half = random_size(50), rows = 1 + random_below(5), stride = 2 * half + random_below(9);
  const size_t count = (size_t)((rows - 1) * stride + 2 * half), angles = (size_t)(rows * half);
  const float *x = floats(count, style), *cosine = floats(angles, PLAIN), *sine = floats(angles, PLAIN);
  float *expected = copy(x, count);
  for (int32_t r = 0; r < rows; r++)
    for (int32_t i = 0; i < half; i++) {
      const float a = x[r * stride + i], b = x[r * stride + half + i];
      const float ac = a * cosine[r * half + i], bs = b * sine[r * half + i];
      const float bc = b * cosine[r * half + i], as = a * sine[r * half + i];
      expected[r * stride + i] = ac - bs;
      expected[r * stride + half + i] = bc + as;
    }
  for (int t = 0; t < table_count; t++) {
    now(t, "rotate %d x %d, %s", (int)rows, (int)half, style_names[style]);
    float *turned = copy(x, count);
    tables[t].rotate(turned, stride, rows, half, cosine, sine);
    same_floats(expected, turned, count);
  }
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
  test_norm(style);
  test_norm_in_place(style);
  test_rotate(style);
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
