/* Packing and products in f32, plain and as convolutions, of every instruction set (kernels.h says how).
 *
 * It fails if a tile, an edge, a transposition or an epilogue has other bits than the definition in docs/numerics.md,
 * or if a sum is further from the one in long double than rounding explains. */
#include "tests/kernels_gemm.h"

/* ---- Packing ---- */

static void test_pack(int style) {
  const int32_t taps = random_below(2) ? 1 : 2 + random_below(8), rows = random_size(80);
  const int32_t k = taps * random_size(taps > 1 ? 40 : 300), first = random_below(rows), count = rows - first;
  const matrix m = random_matrix(random_below(4), rows, k, taps, style);
  for (int t = 0; t < table_count; t++) {
    now(t, "pack rows %d..%d of %d of type %d, taps %d, %s", (int)first, (int)(rows - 1), (int)k, (int)m.w.type,
        (int)taps, style_names[style]);
    const int32_t nr = tables[t].nr;
    float *expected = floats(panel_floats(&tables[t], count, k), STYLES);
    for (int32_t n = 0; n < (count + nr - 1) / nr * nr; n++)
      for (int32_t i = 0; i < k; i++)
        expected[(n / nr * k + i) * nr + n % nr] = n < count ? m.dense[(first + n) * k + i] : 0;
    same_floats(expected, packed(&tables[t], &m, first, count), panel_floats(&tables[t], count, k));
  }
  release_arrays();
}

static void test_pack_columns(int style) {
  const int32_t columns = random_size(80), k = random_size(100), stride = columns + random_below(9);
  const float *b = floats((size_t)((k - 1) * stride + columns), style);
  for (int t = 0; t < table_count; t++) {
    now(t, "pack_columns %d of %d", (int)columns, (int)k);
    const int32_t nr = tables[t].nr;
    const size_t size = panel_floats(&tables[t], columns, k);
    float *expected = floats(size, STYLES), *panels = floats(size, STYLES);
    for (int32_t n = 0; n < (columns + nr - 1) / nr * nr; n++)
      for (int32_t i = 0; i < k; i++) expected[(n / nr * k + i) * nr + n % nr] = n < columns ? b[i * stride + n] : 0;
    tables[t].pack_columns(b, stride, k, columns, panels);
    same_floats(expected, panels, size);
  }
  release_arrays();
}

/* ---- Products ---- */

/* Makes the rows those of a plain matrix, in lines with gaps; returns the numbers of a. */
static size_t plain_rows(product_case *c) {
  dit__gemm *p = &c->p;
  c->rows = random_size(70);
  p->taps = 1;
  p->channels = random_size(600);
  p->line = random_below(2) ? c->rows : 1 + random_below(c->rows);
  p->row_stride = p->channels + random_below(5);
  p->line_stride = p->line * p->row_stride + random_below(50);
  return (size_t)((c->rows - 1) / p->line * p->line_stride + (c->rows - 1) % p->line * p->row_stride + p->channels);
}

/* Makes the rows 3x3 neighbourhoods in a picture with its border, with stride 1 or 2; returns the numbers of a. */
static size_t convolution_rows(product_case *c) {
  dit__gemm *p = &c->p;
  const int32_t stride = 1 + random_below(2), lines = 1 + random_below(5);
  p->line = 1 + random_below(20);
  p->taps = 9;
  p->channels = random_size(80);
  const int32_t width = (p->line - 1) * stride + 3, height = (lines - 1) * stride + 3;
  p->row_stride = stride * p->channels;
  p->line_stride = (ptrdiff_t)stride * width * p->channels;
  for (int32_t tap = 0; tap < 9; tap++) p->tap_offset[tap] = (tap / 3 * width + tap % 3) * p->channels;
  c->rows = lines * p->line;
  return (size_t)(width * height * p->channels);
}

static const float *row_start(const dit__gemm *p, int32_t m) {
  return p->a + m / p->line * p->line_stride + m % p->line * p->row_stride;
}

static float defined_sum(const dit__gemm *p, const float *w, int32_t m) {
  const int32_t k = p->taps * p->channels;
  float sum = 0;
  for (int32_t k0 = 0; k0 < k; k0 += 256) {
    float s = 0;
    for (int32_t i = k0; i < k && i < k0 + 256; i++)
      s = fmaf(row_start(p, m)[p->tap_offset[i / p->channels] + i % p->channels], w[i], s);
    sum = k0 ? sum + s : s;
  }
  return sum;
}

/* Compares with the sum in long double: how far may rounding take a product of floats from it? */
static int sum_is_near(const dit__gemm *p, const float *w, int32_t m, float got) {
  const int32_t k = p->taps * p->channels;
  long double sum = 0, size = 0;
  for (int32_t i = 0; i < k; i++) {
    const long double term =
        (long double)row_start(p, m)[p->tap_offset[i / p->channels] + i % p->channels] * (long double)w[i];
    sum += term;
    size += fabsl(term);
  }
  const int32_t roundings = (k < 256 ? k : 256) + k / 256;
  return fabsl((long double)got - sum) <= 0x1p-24L * roundings * size + 0x1p-149L * roundings;
}

static void check_product(const product_case *c, const matrix *w, const float *out) {
  int equal = 1, near = 1;
  for (int32_t m = 0; m < c->rows; m += 1 + random_below(4))
    for (int32_t n = random_below(8); n < c->columns; n += 1 + random_below(16)) {
      const float sum = defined_sum(&c->p, w->dense + n * c->k, m), value = defined_epilogue(c, m, n, sum);
      equal &= to_bits(value) == to_bits(out[m * c->p.out_stride + n]);
      near &= sum_is_near(&c->p, w->dense + n * c->k, m, sum);
    }
  CHECK(equal, "%s: other bits than the definition", under_way);
  CHECK(near, "%s: far from the sum in long double", under_way);
}

static void run_product(const product_case *c, const matrix *w, int32_t split, const dit__kernels *k, float *out) {
  float *scratch = floats((size_t)dit__gemm_scratch(), STYLES);
  const int32_t keep = c->p.line == c->rows && random_below(3), cut = random_below(c->rows + 1);
  float *kept = keep ? floats((size_t)dit__packed_rows(c->rows, c->k), STYLES) : NULL;
  if (keep) { /* rows that are packed at once, in parts that come in any order, serve all columns */
    dit__gemm p = c->p;
    p.packed = kept;
    const int32_t parts = 1 + random_below(5);
    for (int32_t part = parts - 1; part >= 0; part--) k->pack_rows(&p, part, parts);
  }
  for (int32_t part = 0; part < 2; part++) {
    const int32_t first = part ? split : 0, count = part ? c->columns - split : split;
    if (!count) continue;
    dit__gemm p = part_of(c, first, count, out);
    p.packed = kept;
    if (random_below(2)) { /* what it brings nearer changes nothing */
      const dit__prefetch next = {(const uint8_t *)c->p.a, 4 * (1 + random_below(50)), 1 + random_below(300),
                                  1 + random_below(2)};
      p.next = next;
    }
    p.partial_rows = c->rows + random_below(3);
    p.partial = floats((size_t)((count + k->nr - 1) / k->nr * p.partial_rows * k->nr), STYLES);
    p.panels = packed(k, w, first, count);
    if (keep) {
      k->gemm(&p, 0, c->rows, scratch);
      continue;
    }
    k->gemm(&p, cut, c->rows - cut, scratch); /* the later rows first, as another task might */
    k->gemm(&p, 0, cut, scratch);
  }
}

static void test_product(int style, int convolution) {
  product_case c;
  memset(&c, 0, sizeof c);
  c.p.a = floats(convolution ? convolution_rows(&c) : plain_rows(&c), style);
  c.columns = random_size(100);
  c.k = c.p.taps * c.p.channels;
  random_epilogue(&c, style);
  const int32_t split = random_below(3) ? 0 : random_below(c.columns);
  const matrix w = random_matrix(random_below(4), c.columns, c.k, c.p.taps, style);
  float *out[MAX_TABLES] = {NULL};
  for (int t = 0; t < table_count; t++) {
    now(t, "product %d x %d x %d (%d taps), line %d, split %d, type %d, epilogue %d, %s", (int)c.rows, (int)c.columns,
        (int)c.k, (int)c.p.taps, (int)c.p.line, (int)split, (int)w.w.type, (int)c.p.epilogue, style_names[style]);
    out[t] = copy(c.before, c.out_count);
    run_product(&c, &w, split, &tables[t], out[t]);
    if (t == 0)
      check_product(&c, &w, out[0]);
    else
      same_floats(out[0], out[t], c.out_count);
  }
  release_arrays();
}

/* ---- All of it ---- */

static void test_round(int style) {
  test_pack(style);
  test_pack_columns(style);
  test_product(style, 0);
  test_product(style, 1);
}

int main(int argc, char **argv) {
  const int large = kernels_begin(argc, argv, 0);
  kernels_rounds(large, test_round);
  return test_end("test_kernels_gemm");
}
