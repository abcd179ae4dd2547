/* 3x3 convolutions by Winograd's minimal filtering F(4x4, 3x3) (Lavin & Gray 2015): a tile of 4x4 pixels of out needs
 * 6x6 pixels of in; transforms turn the nine products of each pixel and channel into 36 of each tile, a quarter as
 * many.
 *
 *     filter transform   3x3 weights of a filter and channel  -> 6x6 numbers   winograd_filter, when weights are packed
 *     input transform    6x6 pixels of a channel              -> 6x6 numbers   winograd_input
 *     products           at each of the 36 points a GEMM of tiles with filters, over channels } winograd_output
 *     output transform   6x6 sums of a filter                 -> 4x4 pixels                   }
 *
 * The interpolation points 0, 5/8, -5/8, 3/2, -3/2 and infinity lose less than half of the accuracy that the usual 0,
 * 1, -1, 2, -2 lose (Barabasz et al. 2020 on the choice of points), and all factors of the transforms of input and
 * output are exact. docs/numerics.md has the definition. Part of template_f32.h.
 *
 * Transformed tiles lie [point][row panel of MR tiles][channel / VL][MR][VL], points w->point_stride apart; transformed
 * filters [panel][point][channel][NR], points PANEL_POINT apart. Neither distance is a power of two: points would
 * compete for the same sets of the cache. */

#define PANEL_POINT(channels) ((size_t)(channels)*NR + 16)

/* ---- Filter transform ---- */

/* Transforms three weights in a line into six numbers, in double. */
static FORCE_INLINE TARGET void FN(filter_transform_1d)(VD w0, VD w1, VD w2, VD *to) {
  VD even = D_ADD(w0, D_MUL(w2, D_SET(25.0 / 64))), odd = D_MUL(w1, D_SET(5.0 / 8));
  to[0] = D_MUL(w0, D_SET(256.0 / 225));
  to[1] = D_MUL(D_ADD(even, odd), D_SET(-2048.0 / 2975));
  to[2] = D_MUL(D_SUB(even, odd), D_SET(-2048.0 / 2975));
  even = D_ADD(w0, D_MUL(w2, D_SET(9.0 / 4)));
  odd = D_MUL(w1, D_SET(3.0 / 2));
  to[3] = D_MUL(D_ADD(even, odd), D_SET(128.0 / 1071));
  to[4] = D_MUL(D_SUB(even, odd), D_SET(128.0 / 1071));
  to[5] = w2;
}

/* Transforms VL filters of one channel, taps[tap][NR] from `lane` on, into 36 numbers each: first down the columns,
 * then along the rows. Points are `point` floats apart. */
static TARGET void FN(filter_transform)(float (*taps)[NR], int32_t lane, float *to, size_t point) {
  VD down[3][6], along[6];
  UNROLL
  for (int x = 0; x < 3; x++) {
    const VD top = D_WIDEN(V_LOAD(taps[x] + lane)), middle = D_WIDEN(V_LOAD(taps[3 + x] + lane));
    const VD bottom = D_WIDEN(V_LOAD(taps[6 + x] + lane));
    FN(filter_transform_1d)(top, middle, bottom, down[x]);
  }
  UNROLL
  for (int y = 0; y < 6; y++) {
    FN(filter_transform_1d)(down[0][y], down[1][y], down[2][y], along);
    UNROLL
    for (int x = 0; x < 6; x++) V_STORE(to + (size_t)(y * 6 + x) * point, D_NARROW(along[x]));
  }
}

/* Implements dit__kernels.winograd_filter. */
static TARGET void FN(winograd_filter)(const dit__weights *w, int32_t first, int32_t count, float *panels) {
  const int32_t channels = w->k / 9;
  const size_t point = PANEL_POINT(channels);
  float block[NR][DIT__TAPS_CHUNK * DIT__TAPS], taps[9][NR];
  for (int32_t n = 0; n < count; n += NR, panels += DIT__WINOGRAD_POINTS * point)
    for (int32_t c = 0; c < channels; c += DIT__TAPS_CHUNK) {
      const int32_t chunk = min32(channels - c, DIT__TAPS_CHUNK);
      FN(load_filters)(w, first + n, min32(count - n, NR), c, chunk, block);
      for (int32_t i = 0; i < chunk; i++) {
        for (int t = 0; t < 9; t++)
          for (int j = 0; j < NR; j++) taps[t][j] = block[j][i * 9 + t];
        float *to = panels + (size_t)(c + i) * NR;
        for (int v = 0; v < NR; v += VL) FN(filter_transform)(taps, v, to + v, point);
      }
    }
}

/* ---- Input transform ---- */

/* Transforms six pixels in a line into six numbers. */
static FORCE_INLINE TARGET void FN(input_transform_1d)(const VF *d, VF *to) {
  const VF both = V_SET(-169.0f / 64), product = V_SET(225.0f / 256);
  const VF less = V_SET(-25.0f / 64), more = V_SET(-9.0f / 4);
  to[0] = V_FMA(product, d[0], V_FMA(both, d[2], d[4]));
  VF even = V_FMA(more, d[2], d[4]), odd = V_FMA(more, d[1], d[3]);
  to[1] = V_FMA(V_SET(5.0f / 8), odd, even);
  to[2] = V_FMA(V_SET(-5.0f / 8), odd, even);
  even = V_FMA(less, d[2], d[4]);
  odd = V_FMA(less, d[1], d[3]);
  to[3] = V_FMA(V_SET(3.0f / 2), odd, even);
  to[4] = V_FMA(V_SET(-3.0f / 2), odd, even);
  to[5] = V_FMA(product, d[1], V_FMA(both, d[3], d[5]));
}

/* A strip holds the six rows of pixels that the tiles of one row panel need: STRIP_WIDTH columns, STRIP channels at a
 * time. */
#define STRIP DIT__WINOGRAD_STRIP
#define STRIP_WIDTH (4 * MR + 2)

/* Loads a strip whose first pixel is (row, column), channels c..c+channels-1: normalised if asked, zeros outside of the
 * picture. On the way it prefetches what is read next: the next channels of the same pixels, or the first channels of
 * the pixels of the next tiles. */
static TARGET void FN(load_strip)(const dit__winograd *w, int32_t row, int32_t column, int32_t columns, int32_t c,
                                  int32_t channels, float *strip) {
  const int32_t shift = w->upsample ? 1 : 0, width = w->width >> shift;
  const ptrdiff_t next = c + STRIP < w->channels ? STRIP : (ptrdiff_t)(4 * MR >> shift) * w->channels - c;
  for (int32_t y = row; y < row + 6; y++)
    for (int32_t x = column; x < column + columns; x++, strip += STRIP) {
      if (y < 0 || y >= w->height || x < 0 || x >= w->width) {
        for (int32_t i = 0; i < channels; i += VL) V_STORE(strip + i, V_ZERO());
        continue;
      }
      const float *from = w->x + ((ptrdiff_t)((y >> shift) - w->x_row) * width + (x >> shift)) * w->channels + c;
      for (int32_t i = 0; i < STRIP; i += 16) V_PREFETCH_L2(from + next + i);
      for (int32_t i = 0; i < channels; i += VL) {
        VF value = FN(load_clipped)(from, i, channels);
        if (w->scale) {
          value =
              V_FMA(value, FN(load_clipped)(w->scale + c, i, channels), FN(load_clipped)(w->shift + c, i, channels));
          value = FN(v_silu)(value);
        }
        V_STORE(strip + i, value);
      }
    }
}

/* Transforms channels c..c+STRIP-1 of `tiles` neighbours in one row of tiles, the first of which is tile (row, column).
 * `to` is the place of the first in its row panel. */
static TARGET void FN(input_transform)(const dit__winograd *w, int32_t row, int32_t column, int32_t tiles, int32_t c,
                                       float *to) {
  float strip[6 * STRIP_WIDTH * STRIP];
  const int32_t channels = min32(w->channels - c, STRIP), columns = 4 * tiles + 2, line = columns * STRIP;
  FN(load_strip)(w, 4 * row - 1, 4 * column - 1, columns, c, channels, strip);
  VF d[6], point[6];
  for (int32_t x = 0; x < columns; x++)
    for (int32_t i = 0; i < channels; i += VL) {
      float *at = strip + x * STRIP + i;
      UNROLL
      for (int y = 0; y < 6; y++) d[y] = V_LOAD(at + y * line);
      FN(input_transform_1d)(d, point);
      UNROLL
      for (int y = 0; y < 6; y++) V_STORE(at + y * line, point[y]);
    }
  for (int32_t i = 0; i < channels; i += VL)
    for (int y = 0; y < 6; y++)
      for (int32_t t = 0; t < tiles; t++) {
        const float *at = strip + y * line + t * 4 * STRIP + i;
        float *out = to + (y * 6) * w->point_stride + (i * MR + t * VL);
        UNROLL
        for (int x = 0; x < 6; x++) d[x] = V_LOAD(at + x * STRIP);
        FN(input_transform_1d)(d, point);
        UNROLL
        for (int x = 0; x < 6; x++) V_STORE(out + x * w->point_stride, point[x]);
      }
}

/* Stores zeros for the `tiles` that the last row panel lacks. */
static TARGET void FN(pad_tiles)(const dit__winograd *w, int32_t tiles, int32_t c, float *to) {
  for (int p = 0; p < DIT__WINOGRAD_POINTS; p++)
    for (int32_t i = 0; i < STRIP && c + i < w->channels; i += VL)
      for (int32_t t = 0; t < tiles; t++) V_STORE(to + p * w->point_stride + i * MR + t * VL, V_ZERO());
}

/* Implements dit__kernels.winograd_input. */
static TARGET void FN(winograd_input)(const dit__winograd *w, int32_t first, int32_t count) {
  const int32_t across = (w->width + 3) / 4, padded = (w->channels + VL - 1) / VL * VL;
  for (int32_t s = 0; s < count; s += MR)
    for (int32_t c = 0; c < w->channels; c += STRIP) {
      float *to = w->tiles + (ptrdiff_t)(first + s) * padded + (ptrdiff_t)c * MR;
      const int32_t tiles = min32(count - s, MR);
      for (int32_t t = 0; t < tiles;) {
        const int32_t tile = w->first + first + s + t, row = tile / across, column = tile % across;
        const int32_t run = min32(across - column, tiles - t);
        FN(input_transform)(w, row, column, run, c, to + t * VL);
        t += run;
      }
      FN(pad_tiles)(w, MR - tiles, c, to + tiles * VL);
    }
}

#undef STRIP
#undef STRIP_WIDTH

/* ---- Products ---- */

/* Multiplies MR tiles with a panel at one point: as FN(ukernel), but a is [channel / VL][MR][VL]. */
static TARGET void FN(winograd_ukernel)(const float *a, int32_t length, const float *b, float *c, int32_t add,
                                        const float *prefetch) {
  enum { TILE = DIT__WINOGRAD_POINTS * NR }; /* from the sums of a tile to those of the next */
  VF acc[MR][NV];
  UNROLL
  for (int r = 0; r < MR; r++) {
    UNROLL
    for (int v = 0; v < NV; v++) acc[r][v] = V_ZERO();
  }
  for (; length > 0; length -= VL, a += MR * VL) {
    V_PREFETCH_L2(prefetch);
    prefetch += 2 * VL;
    for (int i = 0; i < MR * VL; i += 16) V_PREFETCH_L1(a + 12 * MR * VL + i);
    for (int32_t k = 0; k < VL && k < length; k++, b += NR) {
      VF column[NV];
      UNROLL
      for (int v = 0; v < NV; v++) column[v] = V_LOAD(b + v * VL);
      UNROLL
      for (int r = 0; r < MR; r++) {
        VF value = V_BROADCAST(a + r * VL + k);
        UNROLL
        for (int v = 0; v < NV; v++) acc[r][v] = V_FMA(value, column[v], acc[r][v]);
      }
    }
  }
  UNROLL
  for (int r = 0; r < MR; r++) {
    UNROLL
    for (int v = 0; v < NV; v++) {
      float *to = c + r * TILE + v * VL;
      if (add) acc[r][v] = V_ADD(V_LOAD(to), acc[r][v]);
      V_STORE(to, acc[r][v]);
    }
  }
}

/* ---- Output transform ---- */

/* Transforms six sums in a line into four pixels. */
static FORCE_INLINE TARGET void FN(output_transform_1d)(const VF *m, VF *to) {
  const VF p = V_ADD(m[1], m[2]), q = V_SUB(m[1], m[2]), r = V_ADD(m[3], m[4]), s = V_SUB(m[3], m[4]);
  to[0] = V_ADD(m[0], V_ADD(p, r));
  to[1] = V_FMA(V_SET(3.0f / 2), s, V_MUL(V_SET(5.0f / 8), q));
  to[2] = V_FMA(V_SET(9.0f / 4), r, V_MUL(V_SET(25.0f / 64), p));
  to[3] = V_FMA(V_SET(27.0f / 8), s, V_FMA(V_SET(125.0f / 512), q, m[5]));
}

/* Transforms VL columns of a tile, from column n on: 36 sums, NR apart, become 4x4 pixels, to which bias and residual
 * are added. */
static TARGET void FN(output_transform)(const dit__winograd *w, int32_t tile, int32_t n, const float *sums) {
  const int32_t across = (w->width + 3) / 4, row = tile / across * 4, column = tile % across * 4;
  const int32_t count = min32(w->columns - n, VL);
  const VF bias = FN(load_count)(w->bias + n, count);
  VF down[4][6], m[6], pixel[4];
  UNROLL
  for (int x = 0; x < 6; x++) {
    UNROLL
    for (int y = 0; y < 6; y++) m[y] = V_LOAD(sums + (y * 6 + x) * NR);
    FN(output_transform_1d)(m, pixel);
    UNROLL
    for (int y = 0; y < 4; y++) down[y][x] = pixel[y];
  }
  UNROLL
  for (int y = 0; y < 4; y++) {
    FN(output_transform_1d)(down[y], pixel);
    for (int x = 0; x < 4 && row + y < w->height && column + x < w->width; x++) {
      const ptrdiff_t at = ((ptrdiff_t)(row + y - w->out_row) * w->width + column + x) * w->out_stride + n;
      VF value = V_ADD(pixel[x], bias);
      if (w->residual) value = V_ADD(FN(load_count)(w->residual + at, count), value);
      FN(store_count)(w->out + at, value, count);
    }
  }
}

/* ---- The loops around them ---- */

/* Computes the sums of some tiles and columns at all points, [panel][tile][point][NR]. */
static TARGET void FN(winograd_sums)(const dit__winograd *w, int32_t first, int32_t tiles, int32_t n, int32_t columns,
                                     float *sums) {
  const int32_t padded = (w->channels + VL - 1) / VL * VL, row_panels = (tiles + MR - 1) / MR;
  const ptrdiff_t panel_sums = (ptrdiff_t)row_panels * MR * DIT__WINOGRAD_POINTS * NR;
  const size_t point = PANEL_POINT(w->channels);
  for (int p = 0; p < DIT__WINOGRAD_POINTS; p++)
    for (int32_t k = 0; k < w->channels; k += DIT__KC) {
      const int32_t length = min32(w->channels - k, DIT__KC), step = length * NR / row_panels;
      for (int32_t j = 0; j < columns; j += NR) {
        const float *a = w->tiles + p * w->point_stride + (ptrdiff_t)first * padded + (ptrdiff_t)k * MR;
        const float *b = w->panels + (size_t)((n + j) / NR * DIT__WINOGRAD_POINTS + p) * point + (size_t)k * NR;
        const float *next = b + (j + NR < columns ? DIT__WINOGRAD_POINTS * point : 0);
        float *c = sums + j / NR * panel_sums + p * NR;
        for (int32_t s = 0; s < row_panels; s++) {
          FN(winograd_ukernel)(a, length, b, c, k > 0, next + s * step);
          a += (ptrdiff_t)padded * MR;
          c += MR * DIT__WINOGRAD_POINTS * NR;
        }
      }
    }
}

/* Computes the pixels of the same tiles and columns from these sums. */
static TARGET void FN(winograd_pixels)(const dit__winograd *w, int32_t first, int32_t tiles, int32_t n, int32_t columns,
                                       const float *sums) {
  const ptrdiff_t panel_sums = (ptrdiff_t)((tiles + MR - 1) / MR) * MR * DIT__WINOGRAD_POINTS * NR;
  for (int32_t t = 0; t < tiles; t++)
    for (int32_t j = 0; j < columns; j += NR) {
      const float *from = sums + j / NR * panel_sums + t * DIT__WINOGRAD_POINTS * NR;
      for (int v = 0; v < NR && n + j + v < w->columns; v += VL)
        FN(output_transform)(w, w->first + first + t, n + j + v, from + v);
    }
}

/* Implements dit__kernels.winograd_output. */
static TARGET void FN(winograd_output)(const dit__winograd *w, int32_t first, int32_t count, float *scratch) {
  for (int32_t t = 0; t < count; t += DIT__WINOGRAD_GROUP)
    for (int32_t n = 0; n < w->columns; n += DIT__WINOGRAD_COLUMNS) {
      const int32_t tiles = min32(count - t, DIT__WINOGRAD_GROUP);
      const int32_t columns = min32(w->columns - n, DIT__WINOGRAD_COLUMNS);
      FN(winograd_sums)(w, first + t, tiles, n, columns, scratch);
      FN(winograd_pixels)(w, first + t, tiles, n, columns, scratch);
    }
}

#undef PANEL_POINT
