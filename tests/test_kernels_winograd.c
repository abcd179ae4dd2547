/* 3x3 convolutions by Winograd's method, of every instruction set (kernels.h says how).
 *
 * It fails if a pixel has other bits than the definition in docs/numerics.md, or is far from the sum over its
 * neighbourhood in long double. */
#include "tests/kernels.h"

/* A convolution without its tiles and panels, which are each table's own. */
typedef struct winograd_case {
  dit__winograd w;
  matrix kernels; /* dense: [row][tap][channel] */
  int32_t columns, tiles, in_place;
  float *before;
  size_t out_count;
} winograd_case;

static winograd_case random_winograd(int style) {
  winograd_case c;
  memset(&c, 0, sizeof c);
  dit__winograd *w = &c.w;
  w->upsample = random_below(3) == 0;
  w->height = 1 + random_below(13);
  w->width = 1 + random_below(60);
  if (w->upsample) {
    w->height += w->height % 2;
    w->width += w->width % 2;
  }
  w->channels = random_size(random_below(3) ? 60 : 300);
  c.columns = random_size(100);
  c.tiles = (w->height + 3) / 4 * ((w->width + 3) / 4);
  w->x = floats((size_t)(w->height * w->width * w->channels) / (w->upsample ? 4 : 1), style);
  if (random_below(2)) {
    w->scale = floats((size_t)w->channels, PLAIN);
    w->shift = floats((size_t)w->channels, PLAIN);
  }
  w->bias = floats((size_t)c.columns, random_below(3) ? PLAIN : ZEROS);
  w->out_stride = c.columns + random_below(5);
  c.out_count = (size_t)((w->height * w->width - 1) * w->out_stride + c.columns);
  c.before = floats(c.out_count, style);
  c.in_place = random_below(2);
  if (c.in_place || random_below(2)) w->residual = c.before;
  c.kernels = random_matrix(random_below(3), c.columns, 9 * w->channels, 9, PLAIN);
  return c;
}

/* Computes columns column..column+columns-1, tiles in two chunks, each in two parts. */
static void run_winograd(const winograd_case *c, int32_t column, int32_t columns, const dit__kernels *k, float *out) {
  const int32_t cut = random_below((c->tiles + 11) / 12) * 12;
  dit__winograd w = c->w;
  if (!columns) return;
  const size_t panels = (size_t)dit__winograd_panel(w.channels, k->nr) * (size_t)((columns + k->nr - 1) / k->nr);
  float *to = floats(panels, STYLES);
  k->winograd_filter(&c->kernels.w, column, columns, to);
  w.panels = to;
  w.columns = columns;
  w.bias += column;
  w.out = out + column;
  if (w.residual) w.residual = c->in_place ? w.out : w.residual + column;
  for (int part = 0; part < 2; part++) {
    const int32_t first = part ? cut : 0, count = part ? c->tiles - cut : cut, half = count / 24 * 12;
    if (!count) continue;
    w.first = first;
    w.point_stride = (ptrdiff_t)dit__winograd_point(count, w.channels);
    w.tiles = floats((size_t)(36 * w.point_stride), STYLES);
    float *scratch = floats((size_t)dit__winograd_scratch(count, columns), STYLES);
    k->winograd_input(&w, half, count - half);
    if (half) k->winograd_input(&w, 0, half);
    k->winograd_output(&w, half, count - half, scratch);
    if (half) k->winograd_output(&w, 0, half, scratch);
  }
}

static float winograd_pixel(const winograd_case *c, int32_t y, int32_t x, int32_t channel) {
  const dit__winograd *w = &c->w;
  const int32_t shift = w->upsample;
  if (y < 0 || x < 0 || y >= w->height || x >= w->width) return 0;
  const float value = w->x[((y >> shift) * (w->width >> shift) + (x >> shift)) * w->channels + channel];
  return w->scale ? reference_silu(fmaf(value, w->scale[channel], w->shift[channel])) : value;
}

/* The transforms as docs/numerics.md defines them ("Winograd"). */
static void defined_filter_transform(const double *w, double *to) {
  const double e = w[0] + w[2] * 0.390625, o = w[1] * 0.625, f = w[0] + w[2] * 2.25, p = w[1] * 1.5;
  const double all[6] = {w[0] * (256.0 / 225),     (e + o) * (-2048.0 / 2975), (e - o) * (-2048.0 / 2975),
                         (f + p) * (128.0 / 1071), (f - p) * (128.0 / 1071),   w[2]};
  memcpy(to, all, sizeof all);
}

static void defined_input_transform(const float *d, float *to) {
  const float e = fmaf(-2.25f, d[2], d[4]), o = fmaf(-2.25f, d[1], d[3]);
  const float f = fmaf(-0.390625f, d[2], d[4]), p = fmaf(-0.390625f, d[1], d[3]);
  to[0] = fmaf(0.87890625f, d[0], fmaf(-2.640625f, d[2], d[4]));
  to[1] = fmaf(0.625f, o, e);
  to[2] = fmaf(-0.625f, o, e);
  to[3] = fmaf(1.5f, p, f);
  to[4] = fmaf(-1.5f, p, f);
  to[5] = fmaf(0.87890625f, d[1], fmaf(-2.640625f, d[3], d[5]));
}

static void defined_output_transform(const float *m, float *to) {
  const float p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
  to[0] = m[0] + (p + r);
  to[1] = fmaf(1.5f, s, 0.625f * q);
  to[2] = fmaf(2.25f, r, 0.390625f * p);
  to[3] = fmaf(3.375f, s, fmaf(0.244140625f, q, m[5]));
}

/* Computes the 4x4 sums of the tile whose first pixel is (y, x), for column n. */
static void defined_winograd(const winograd_case *c, int32_t y, int32_t x, int32_t n, float tile[4][4]) {
  float block[36] = {0}, sum[36] = {0}, line[6], from[6], four[4], down[4][6];
  for (int32_t i = 0; i < c->w.channels; i++) {
    double kernel[6], three[3], rows[6][3];
    float points[6][6], columns[6][6];
    for (int j = 0; j < 3; j++) {
      for (int t = 0; t < 3; t++) three[t] = c->kernels.dense[(n * 9 + t * 3 + j) * c->w.channels + i];
      defined_filter_transform(three, kernel);
      for (int t = 0; t < 6; t++) rows[t][j] = kernel[t];
    }
    for (int j = 0; j < 6; j++) {
      for (int t = 0; t < 6; t++) from[t] = winograd_pixel(c, y - 1 + t, x - 1 + j, i);
      defined_input_transform(from, line);
      for (int t = 0; t < 6; t++) columns[t][j] = line[t];
    }
    for (int t = 0; t < 6; t++) {
      defined_input_transform(columns[t], points[t]);
      defined_filter_transform(rows[t], kernel);
      for (int j = 0; j < 6; j++) block[t * 6 + j] = fmaf(points[t][j], (float)kernel[j], block[t * 6 + j]);
    }
    if (i % 256 != 255 && i + 1 < c->w.channels) continue;
    for (int p = 0; p < 36; p++) {
      sum[p] = i < 256 ? block[p] : sum[p] + block[p];
      block[p] = 0;
    }
  }
  for (int j = 0; j < 6; j++) {
    for (int t = 0; t < 6; t++) from[t] = sum[t * 6 + j];
    defined_output_transform(from, four);
    for (int t = 0; t < 4; t++) down[t][j] = four[t];
  }
  for (int t = 0; t < 4; t++) defined_output_transform(down[t], tile[t]);
}

/* Returns the sum over a pixel's neighbourhood in long double, and adds up the sizes of its terms. */
static long double direct_sum(const winograd_case *c, int32_t y, int32_t x, int32_t n, long double *size) {
  long double sum = 0;
  for (int tap = 0; tap < 9; tap++)
    for (int32_t i = 0; i < c->w.channels; i++) {
      const long double term = (long double)winograd_pixel(c, y - 1 + tap / 3, x - 1 + tap % 3, i) *
                               (long double)c->kernels.dense[(n * 9 + tap) * c->w.channels + i];
      sum += term;
      *size += fabsl(term);
    }
  return sum;
}

static void check_winograd(const winograd_case *c, int style, const float *out) {
  const dit__winograd *w = &c->w;
  int equal = 1, near = 1;
  for (int i = 0; i < 4; i++) {
    const int32_t y = random_below((w->height + 3) / 4) * 4, x = random_below((w->width + 3) / 4) * 4;
    const int32_t n = random_below(c->columns);
    float tile[4][4];
    defined_winograd(c, y, x, n, tile);
    for (int32_t p = 0; p < 16; p++) {
      const int32_t row = y + p / 4, column = x + p % 4;
      if (row >= w->height || column >= w->width) continue;
      const ptrdiff_t at = (ptrdiff_t)(row * w->width + column) * w->out_stride + n;
      float value = tile[p / 4][p % 4] + w->bias[n];
      if (w->residual) value = c->before[at] + value;
      equal &= to_bits(value) == to_bits(out[at]);
      long double size = 0;
      const long double sum = direct_sum(c, row, column, n, &size);
      if (style != WIDE && style != TINY) /* there the rounding of a large neighbour counts */
        near &= fabsl(tile[p / 4][p % 4] - sum) <= 4e-5L * (size + 1);
    }
  }
  CHECK(equal, "%s: other bits than the definition", under_way);
  CHECK(near, "%s: far from the sum in long double", under_way);
}

static void test_winograd(int style) {
  const winograd_case c = random_winograd(style);
  const int32_t split = random_below(3) ? 0 : random_below(c.columns);
  float *out[MAX_TABLES] = {NULL};
  for (int t = 0; t < table_count; t++) {
    now(t, "winograd %d x %d x %d to %d, upsample %d, norm %d, split %d, type %d, %s", (int)c.w.height, (int)c.w.width,
        (int)c.w.channels, (int)c.columns, (int)c.w.upsample, c.w.scale != NULL, (int)split, (int)c.kernels.w.type,
        style_names[style]);
    out[t] = copy(c.before, c.out_count);
    run_winograd(&c, 0, split, &tables[t], out[t]);
    run_winograd(&c, split, c.columns - split, &tables[t], out[t]);
    if (t == 0)
      check_winograd(&c, style, out[0]);
    else
      same_floats(out[0], out[t], c.out_count);
  }
  release_arrays();
}

int main(int argc, char **argv) {
  const int large = kernels_begin(argc, argv, 0);
  kernels_rounds(large, test_winograd);
  return test_end("test_kernels_winograd");
}
