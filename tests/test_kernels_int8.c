/* Low-precision products, of every instruction set that has them (kernels.h says how): int8 with its quantisation, and
 * bfloat16.
 *
 * It fails if an int8 sum is not exact, if quantisation is more than half a step from the truth, or if a bfloat16 sum
 * is further from the one in double than said below. */
#include "tests/kernels_gemm.h"

/* Computes a sum as docs/numerics.md defines it ("Products in int8"), in 64 bits. */
static float defined_i8(const dit__qgemm *p, const matrix *w, int32_t m, int32_t n) {
  const int8_t *row = (const int8_t *)w->w.data + n * w->w.stride;
  int64_t dot = 0, total = 0;
  for (int32_t i = 0; i < w->w.k; i++) {
    dot += (int64_t)p->a[m * p->a_stride + i] * row[i];
    total += row[i];
  }
  const float first = (float)dot * p->row_scale[m], second = (float)total * p->row_low[m];
  return (first + second) * w->w.scale[n];
}

/* Returns rows of integers least..127, with zeros behind k. */
static uint8_t *quantised_rows(int32_t rows, int32_t k, ptrdiff_t stride, int32_t least) {
  uint8_t *a = (uint8_t *)array_new((size_t)rows * (size_t)stride);
  for (int32_t m = 0; m < rows; m++)
    for (int32_t i = 0; i < stride; i++) a[m * stride + i] = i < k ? (uint8_t)(least + random_below(128 - least)) : 0;
  return a;
}

/* Makes every factor 1 and every summand 0: out is the sum of integers, rounded once. */
static void only_sums(product_case *c, dit__qgemm *p, matrix *w) {
  float *zeros = floats((size_t)(c->rows + c->columns), ZEROS), *ones = floats((size_t)(c->rows + c->columns), FLAT);
  for (int32_t i = 0; i < c->rows + c->columns; i++) {
    zeros[i] = 0;
    ones[i] = 1;
  }
  c->p.epilogue = DIT__EPILOGUE_STORE;
  c->p.bias = p->row_low = zeros;
  p->row_scale = w->w.scale = ones;
}

/* extreme 0: any numbers; 1: everything as large as it can be, which saturates pairs of signed 16 bits if anything
 * does; 2: the same with both signs. */
static void test_product_i8(int style, int extreme) {
  product_case c;
  memset(&c, 0, sizeof c);
  c.rows = extreme ? 5 : random_size(40);
  c.columns = extreme ? 21 : random_size(80);
  c.k = extreme ? 4608 : random_size(700);
  random_epilogue(&c, style);
  matrix w = random_matrix(DIT__I8, c.columns, c.k, 1, PLAIN);
  for (int32_t n = 0; n < c.columns && extreme; n++)
    for (int32_t i = 0; i < c.k; i++)
      ((uint8_t *)(uintptr_t)w.w.data)[n * w.w.stride + i] = (uint8_t)(extreme == 1 || (n + i) & 2 ? 127 : -127);
  dit__qgemm p;
  memset(&p, 0, sizeof p);
  p.groups = (c.k + 3) / 4;
  p.a_stride = 4 * p.groups + 4 * random_below(3);
  p.a = quantised_rows(c.rows, c.k, p.a_stride, extreme ? 127 : 0);
  p.row_scale = floats((size_t)c.rows, PLAIN);
  p.row_low = floats((size_t)c.rows, PLAIN);
  if (extreme) only_sums(&c, &p, &w);
  const int32_t split = extreme ? 0 : random_below(c.columns), rows = random_below(c.rows + 1);
  for (int t = 0; t < table_count; t++) {
    const dit__kernels *k = &tables[t];
    now(t, "int8 product %d x %d x %d, split %d, epilogue %d, %s", (int)c.rows, (int)c.columns, (int)c.k, (int)split,
        (int)c.p.epilogue, style_names[style]);
    float *out = copy(c.before, c.out_count);
    for (int32_t part = 0; part < 2; part++) {
      const int32_t first = part ? split : 0, count = part ? c.columns - split : split;
      if (!count) continue;
      const size_t panels = (size_t)((count + k->i8.nr - 1) / k->i8.nr);
      uint8_t *to = (uint8_t *)array_new(panels * (size_t)k->i8.nr * ((size_t)p.groups + 1) * 4);
      k->i8.pack(&w.w, first, count, to);
      p.panels = to;
      p.weight_scale = w.w.scale + first;
      p.to = part_of(&c, first, count, out);
      k->i8.gemm(&p, 0, rows);
      k->i8.gemm(&p, rows, c.rows - rows);
    }
    float *expected = copy(c.before, c.out_count);
    for (int32_t m = 0; m < c.rows; m++)
      for (int32_t n = 0; n < c.columns; n++)
        expected[m * c.p.out_stride + n] = defined_epilogue(&c, m, n, defined_i8(&p, &w, m, n));
    same_floats(expected, out, c.out_count);
  }
  release_arrays();
}

/* Rounds to bfloat16. What is rounded so and multiplied must be within a hair of the sum in double; the order of the
 * sum is the processor's. */
static float to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits += 0x7fff + (bits >> 16 & 1);
  bits &= 0xffff0000;
  memcpy(&x, &bits, 4);
  return x;
}

static void test_product_bf16(const dit__kernels *k) {
  product_case c;
  memset(&c, 0, sizeof c);
  c.rows = random_size(40);
  c.columns = random_size(80);
  c.k = random_size(700);
  random_epilogue(&c, PLAIN);
  c.p.epilogue = DIT__EPILOGUE_STORE;
  const matrix w = random_matrix(random_below(4), c.columns, c.k, 1, PLAIN);
  const int32_t groups = (c.k + 1) / 2;
  const float *x = floats((size_t)c.rows * (size_t)c.k, PLAIN);
  uint8_t *a = (uint8_t *)array_new((size_t)c.rows * (size_t)groups * 4);
  const size_t panels = (size_t)((c.columns + k->bf16.nr - 1) / k->bf16.nr);
  uint8_t *to = (uint8_t *)array_new(panels * (size_t)k->bf16.nr * ((size_t)groups + 1) * 4);
  snprintf(under_way, sizeof under_way, "bf16 product %d x %d x %d of type %d", (int)c.rows, (int)c.columns, (int)c.k,
           (int)w.w.type);
  k->bf16.quantize(x, c.k, c.rows, c.k, a, 4 * (ptrdiff_t)groups, NULL, NULL);
  k->bf16.pack(&w.w, 0, c.columns, to);
  float *out = copy(c.before, c.out_count);
  dit__qgemm p;
  memset(&p, 0, sizeof p);
  p.a = a;
  p.a_stride = 4 * (ptrdiff_t)groups;
  p.groups = groups;
  p.panels = to;
  p.to = part_of(&c, 0, c.columns, out);
  k->bf16.gemm(&p, 0, c.rows);
  double worst = 0;
  for (int32_t m = 0; m < c.rows; m++)
    for (int32_t n = 0; n < c.columns; n++) {
      double sum = c.p.bias[n], size = fabs(sum);
      for (int32_t i = 0; i < c.k; i++) {
        const float scale = w.w.scale ? w.w.scale[n] : 0;
        const double term = (double)to_bf16(x[m * c.k + i]) *
                            (double)to_bf16(stored_value(w.w.type, w.w.data, (size_t)(n * w.w.stride + i), scale));
        sum += term;
        size += fabs(term);
      }
      const double error = fabs(sum - out[m * c.p.out_stride + n]) / (size + 1e-30);
      worst = error > worst ? error : worst;
    }
  CHECK(worst < 2e-6, "%s: %.2g of the sum of sizes", under_way, worst);
  release_arrays();
}

/* Random rows, quantised by each table: the same bytes, and within half a step of the truth. */
static void test_quantize(int style) {
  const int32_t rows = 1 + random_below(6), width = random_size(400), x_stride = width + random_below(5);
  const int32_t q_stride = (width + 3) / 4 * 4;
  const float *x = floats((size_t)((rows - 1) * x_stride + width), style);
  uint8_t *q[MAX_TABLES] = {NULL};
  float *scale[MAX_TABLES] = {NULL}, *low[MAX_TABLES] = {NULL};
  for (int t = 0; t < table_count; t++) {
    now(t, "quantize %d x %d, %s", (int)rows, (int)width, style_names[style]);
    q[t] = (uint8_t *)array_new((size_t)(rows * q_stride));
    scale[t] = floats((size_t)rows, STYLES);
    low[t] = floats((size_t)rows, STYLES);
    tables[t].i8.quantize(x, x_stride, rows, width, q[t], q_stride, scale[t], low[t]);
    for (int32_t r = 0; r < rows; r++) low[t][r] += 0.0f; /* either zero will do */
    same_bytes(q[0], q[t], (size_t)(rows * q_stride));
    same_floats(scale[0], scale[t], (size_t)rows);
    same_floats(low[0], low[t], (size_t)rows);
  }
  int whole = 1, near = 1;
  for (int32_t r = 0; r < rows; r++)
    for (int32_t i = 0; i < q_stride; i++) {
      const int32_t value = q[0][r * q_stride + i];
      whole &= i < width ? value <= 127 : value == 0;
      if (i >= width) continue;
      const double step = scale[0][r], error = fabs(x[r * x_stride + i] - (low[0][r] + step * value));
      near &= error <= (step > 0x1p-126 ? step * 0.5001 : 0x1p-119); /* 127 / (high - low) may be infinite */
    }
  CHECK(whole, "%s: not 0..127, or not 0 behind the row", under_way);
  CHECK(near, "%s: more than half a step from the truth", under_way);
  release_arrays();
}

/* ---- All of it ---- */

static void test_round(int style) {
  for (int t = 1; t < table_count; t++)
    if (tables[t].bf16.nr) test_product_bf16(&tables[t]);
  test_product_i8(style, 0);
  test_quantize(style);
}

int main(int argc, char **argv) {
  const int large = kernels_begin(argc, argv, 0);
  test_product_i8(PLAIN, 1);
  test_product_i8(PLAIN, 2);
  kernels_rounds(large, test_round);
  return test_end("test_kernels_int8");
}
