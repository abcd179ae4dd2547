/* 3x3 convolutions by Winograd's F(4x4, 3x3) (Lavin & Gray 2015), over the same vector layer as template.h, which
 * includes this. A tile of 4x4 pixels of out needs 6x6 pixels of in; transforms turn the nine products of each pixel
 * and channel into 36 of each tile, a quarter as many. The interpolation points 0, 5/8, -5/8, 3/2, -3/2 and infinity
 * lose less than half of what the usual 0, 1, -1, 2, -2 do (Barabasz et al. 2020 on the choice of points), and all
 * factors of the transforms of pictures are exact. docs/numerics.md has the definition. No include guard: see there. */

/* Transformed pictures lie [point][sliver of MR tiles][channel / VL][MR][VL], points w->point_stride apart; transformed
 * weights [panel][point][channel][NR], points PANEL_POINT apart: not a power of two, or they would share cache lines'
 * sets. */
#define PANEL_POINT(channels) ((size_t)(channels)*NR + 16)

/* ---- Weights ---- */

/* From three numbers of a kernel to six, in double. */
static inline INLINE TARGET void LAYER(kernel_points)(vd w0, vd w1, vd w2, vd *to) {
  vd even = d_add(w0, d_mul(w2, d_set(25.0 / 64))), odd = d_mul(w1, d_set(5.0 / 8));
  to[0] = d_mul(w0, d_set(256.0 / 225));
  to[1] = d_mul(d_add(even, odd), d_set(-2048.0 / 2975));
  to[2] = d_mul(d_sub(even, odd), d_set(-2048.0 / 2975));
  even = d_add(w0, d_mul(w2, d_set(9.0 / 4)));
  odd = d_mul(w1, d_set(3.0 / 2));
  to[3] = d_mul(d_add(even, odd), d_set(128.0 / 1071));
  to[4] = d_mul(d_sub(even, odd), d_set(128.0 / 1071));
  to[5] = w2;
}

/* VL kernels, [tap][NR], become 36 numbers each: down the columns, then along the rows. */
static TARGET void LAYER(winograd_kernels)(float (*taps)[NR], int32_t lane, float *to, size_t point) {
  vd down[3][6], along[6];
  UNROLL
  for (int x = 0; x < 3; x++) LAYER(kernel_points)
  (d_widen(v_load(taps[x] + lane)), d_widen(v_load(taps[3 + x] + lane)), d_widen(v_load(taps[6 + x] + lane)), down[x]);
  UNROLL
  for (int y = 0; y < 6; y++) {
    LAYER(kernel_points)(down[0][y], down[1][y], down[2][y], along);
    UNROLL
    for (int x = 0; x < 6; x++) v_store(to + (size_t)(y * 6 + x) * point, d_narrow(along[x]));
  }
}

static TARGET void LAYER(winograd_filter)(const dit__weights *w, int32_t first, int32_t count, float *panels) {
  const int32_t channels = w->k / 9;
  const size_t point = PANEL_POINT(channels);
  float block[NR][DIT__TAPS_CHUNK * DIT__TAPS], taps[9][NR];
  for (int32_t n = 0; n < count; n += NR, panels += DIT__WINOGRAD_POINTS * point)
    for (int32_t c = 0; c < channels; c += DIT__TAPS_CHUNK) {
      const int32_t some = channels - c < DIT__TAPS_CHUNK ? channels - c : DIT__TAPS_CHUNK;
      LAYER(load_taps)(w, first + n, count - n < NR ? count - n : NR, c, some, block);
      for (int32_t i = 0; i < some; i++) {
        for (int t = 0; t < 9; t++)
          for (int j = 0; j < NR; j++) taps[t][j] = block[j][i * 9 + t];
        for (int v = 0; v < NR; v += VL) LAYER(winograd_kernels)(taps, v, panels + (size_t)(c + i) * NR + v, point);
      }
    }
}

/* ---- Pictures, on the way in ---- */

/* From six pixels in a line to six points. */
static inline INLINE TARGET void LAYER(picture_points)(const vf *d, vf *to) {
  const vf both = v_set(-169.0f / 64), product = v_set(225.0f / 256), small = v_set(-25.0f / 64),
           large = v_set(-9.0f / 4);
  to[0] = v_fma(product, d[0], v_fma(both, d[2], d[4]));
  vf even = v_fma(large, d[2], d[4]), odd = v_fma(large, d[1], d[3]);
  to[1] = v_fma(v_set(5.0f / 8), odd, even);
  to[2] = v_fma(v_set(-5.0f / 8), odd, even);
  even = v_fma(small, d[2], d[4]);
  odd = v_fma(small, d[1], d[3]);
  to[3] = v_fma(v_set(3.0f / 2), odd, even);
  to[4] = v_fma(v_set(-3.0f / 2), odd, even);
  to[5] = v_fma(product, d[1], v_fma(both, d[3], d[5]));
}

enum { LAYER(STRIP) = 32, LAYER(STRIP_WIDTH) = 4 * MR + 2 }; /* channels and columns at a time */

/* Six rows of a picture from `row` and `column` on, channels c.., normed, with zeros around. On the way it fetches what
 * is read next: the next channels of the same pixels, or the first ones of those of the next tiles. */
static TARGET void LAYER(winograd_strip)(const dit__winograd *w, int32_t row, int32_t column, int32_t columns,
                                         int32_t c, int32_t channels, float *strip) {
  const int32_t shift = w->upsample ? 1 : 0, width = w->width >> shift;
  const ptrdiff_t next = c + LAYER(STRIP) < w->channels ? LAYER(STRIP) : (ptrdiff_t)(4 * MR >> shift) * w->channels - c;
  for (int32_t y = row; y < row + 6; y++)
    for (int32_t x = column; x < column + columns; x++, strip += LAYER(STRIP)) {
      if (y < 0 || y >= w->height || x < 0 || x >= w->width) {
        for (int32_t i = 0; i < channels; i += VL) v_store(strip + i, v_zero());
        continue;
      }
      const float *from = w->x + ((ptrdiff_t)((y >> shift) - w->x_row) * width + (x >> shift)) * w->channels + c;
      for (int32_t i = 0; i < LAYER(STRIP); i += 16) v_prefetch_far(from + next + i);
      for (int32_t i = 0; i < channels; i += VL) {
        vf value = LAYER(part)(from, i, channels);
        if (w->scale) {
          value = v_fma(value, LAYER(part)(w->scale + c, i, channels), LAYER(part)(w->shift + c, i, channels));
          value = LAYER(v_silu)(value);
        }
        v_store(strip + i, value);
      }
    }
}

/* Tiles of one row of tiles, which lie from `at` on in their sliver. */
static TARGET void LAYER(winograd_run)(const dit__winograd *w, int32_t row, int32_t column, int32_t tiles, int32_t c,
                                       float *to) {
  float strip[6 * LAYER(STRIP_WIDTH) * LAYER(STRIP)];
  const int32_t channels = w->channels - c < LAYER(STRIP) ? w->channels - c : LAYER(STRIP), columns = 4 * tiles + 2;
  const int32_t line = columns * LAYER(STRIP);
  LAYER(winograd_strip)(w, 4 * row - 1, 4 * column - 1, columns, c, channels, strip);
  vf d[6], point[6];
  for (int32_t x = 0; x < columns; x++)
    for (int32_t i = 0; i < channels; i += VL) {
      float *at = strip + x * LAYER(STRIP) + i;
      UNROLL
      for (int y = 0; y < 6; y++) d[y] = v_load(at + y * line);
      LAYER(picture_points)(d, point);
      UNROLL
      for (int y = 0; y < 6; y++) v_store(at + y * line, point[y]);
    }
  for (int32_t i = 0; i < channels; i += VL)
    for (int y = 0; y < 6; y++)
      for (int32_t t = 0; t < tiles; t++) {
        const float *at = strip + y * line + t * 4 * LAYER(STRIP) + i;
        float *out = to + (y * 6) * w->point_stride + (i * MR + t * VL);
        UNROLL
        for (int x = 0; x < 6; x++) d[x] = v_load(at + x * LAYER(STRIP));
        LAYER(picture_points)(d, point);
        UNROLL
        for (int x = 0; x < 6; x++) v_store(out + x * w->point_stride, point[x]);
      }
}

/* Zeros behind the last tile. */
static TARGET void LAYER(winograd_pad)(const dit__winograd *w, int32_t tiles, int32_t c, float *to) {
  for (int p = 0; p < DIT__WINOGRAD_POINTS; p++)
    for (int32_t i = 0; i < LAYER(STRIP) && c + i < w->channels; i += VL)
      for (int32_t t = 0; t < tiles; t++) v_store(to + p * w->point_stride + i * MR + t * VL, v_zero());
}

static TARGET void LAYER(winograd_input)(const dit__winograd *w, int32_t first, int32_t count) {
  const int32_t across = (w->width + 3) / 4, padded = (w->channels + VL - 1) / VL * VL;
  for (int32_t s = 0; s < count; s += MR)
    for (int32_t c = 0; c < w->channels; c += LAYER(STRIP)) {
      float *to = w->tiles + (ptrdiff_t)(first + s) * padded + (ptrdiff_t)c * MR;
      const int32_t some = count - s < MR ? count - s : MR;
      for (int32_t t = 0; t < some;) {
        const int32_t tile = w->first + first + s + t, row = tile / across, column = tile % across;
        const int32_t run = across - column < some - t ? across - column : some - t;
        LAYER(winograd_run)(w, row, column, run, c, to + t * VL);
        t += run;
      }
      LAYER(winograd_pad)(w, MR - some, c, to + some * VL);
    }
}

/* ---- Products ---- */

/* MR tiles and a panel, at one point: c[r][j] as in LAYER(tile), from [channel / VL][MR][VL]. */
static TARGET void LAYER(winograd_tile)(const float *a, int32_t length, const float *b, float *c, int32_t add,
                                        const float *fetch) {
  enum { NEXT = DIT__WINOGRAD_POINTS * NR };
  vf acc[MR][NV];
  UNROLL
  for (int r = 0; r < MR; r++) {
    UNROLL
    for (int v = 0; v < NV; v++) acc[r][v] = v_zero();
  }
  for (; length > 0; length -= VL, a += MR * VL) {
    v_prefetch_far(fetch);
    fetch += 2 * VL;
    for (int i = 0; i < MR * VL; i += 16) v_prefetch(a + 12 * MR * VL + i);
    for (int32_t k = 0; k < VL && k < length; k++, b += NR) {
      vf column[NV];
      UNROLL
      for (int v = 0; v < NV; v++) column[v] = v_load(b + v * VL);
      UNROLL
      for (int r = 0; r < MR; r++) {
        vf value = v_broadcast(a + r * VL + k);
        UNROLL
        for (int v = 0; v < NV; v++) acc[r][v] = v_fma(value, column[v], acc[r][v]);
      }
    }
  }
  UNROLL
  for (int r = 0; r < MR; r++) UNROLL
  for (int v = 0; v < NV; v++) {
    float *to = c + r * NEXT + v * VL;
    if (add) acc[r][v] = v_add(v_load(to), acc[r][v]);
    v_store(to, acc[r][v]);
  }
}

/* ---- On the way out ---- */

/* From six points to four pixels. */
static inline INLINE TARGET void LAYER(pixels_of)(const vf *m, vf *to) {
  const vf p = v_add(m[1], m[2]), q = v_sub(m[1], m[2]), r = v_add(m[3], m[4]), s = v_sub(m[3], m[4]);
  to[0] = v_add(m[0], v_add(p, r));
  to[1] = v_fma(v_set(3.0f / 2), s, v_mul(v_set(5.0f / 8), q));
  to[2] = v_fma(v_set(9.0f / 4), r, v_mul(v_set(25.0f / 64), p));
  to[3] = v_fma(v_set(27.0f / 8), s, v_fma(v_set(125.0f / 512), q, m[5]));
}

/* VL columns from n on of a tile: 36 sums, NR apart, become 4x4 pixels; bias and residual are added. */
static TARGET void LAYER(winograd_leave)(const dit__winograd *w, int32_t tile, int32_t n, const float *sums) {
  const int32_t across = (w->width + 3) / 4, row = tile / across * 4, column = tile % across * 4;
  const int32_t left = w->columns - n, count = left < VL ? left : VL;
  const vf bias = LAYER(part)(w->bias + n, 0, count);
  vf down[4][6], m[6], pixel[4];
  UNROLL
  for (int x = 0; x < 6; x++) {
    UNROLL
    for (int y = 0; y < 6; y++) m[y] = v_load(sums + (y * 6 + x) * NR);
    LAYER(pixels_of)(m, pixel);
    UNROLL
    for (int y = 0; y < 4; y++) down[y][x] = pixel[y];
  }
  UNROLL
  for (int y = 0; y < 4; y++) {
    LAYER(pixels_of)(down[y], pixel);
    for (int x = 0; x < 4 && row + y < w->height && column + x < w->width; x++) {
      const ptrdiff_t at = ((ptrdiff_t)(row + y - w->out_row) * w->width + column + x) * w->out_stride + n;
      vf value = v_add(pixel[x], bias);
      if (w->residual) value = v_add(LAYER(part)(w->residual + at, 0, count), value);
      if (count == VL)
        v_store(w->out + at, value);
      else
        v_store_part(w->out + at, value, count);
    }
  }
}

/* Tiles first.. and columns n..: all points, then out. */
static TARGET void LAYER(winograd_group)(const dit__winograd *w, int32_t first, int32_t tiles, int32_t n,
                                         int32_t columns, float *sums) {
  const int32_t padded = (w->channels + VL - 1) / VL * VL, slivers = (tiles + MR - 1) / MR;
  const ptrdiff_t each = (ptrdiff_t)slivers * MR * DIT__WINOGRAD_POINTS * NR; /* sums of a panel */
  const size_t point = PANEL_POINT(w->channels);
  for (int p = 0; p < DIT__WINOGRAD_POINTS; p++)
    for (int32_t k = 0; k < w->channels; k += DIT__KC) {
      const int32_t length = w->channels - k < DIT__KC ? w->channels - k : DIT__KC;
      const int32_t step = length * NR / slivers;
      for (int32_t j = 0; j < columns; j += NR) {
        const float *a = w->tiles + p * w->point_stride + (ptrdiff_t)first * padded + (ptrdiff_t)k * MR;
        const float *b = w->panels + (size_t)((n + j) / NR * DIT__WINOGRAD_POINTS + p) * point + (size_t)k * NR;
        const float *next = b + (j + NR < columns ? DIT__WINOGRAD_POINTS * point : 0);
        float *c = sums + j / NR * each + p * NR;
        for (int32_t s = 0; s < slivers; s++, a += (ptrdiff_t)padded * MR, c += MR * DIT__WINOGRAD_POINTS * NR)
          LAYER(winograd_tile)(a, length, b, c, k > 0, next + s * step);
      }
    }
  for (int32_t t = 0; t < tiles; t++)
    for (int32_t j = 0; j < columns; j += NR)
      for (int v = 0; v < NR && n + j + v < w->columns; v += VL) LAYER(winograd_leave)
  (w, w->first + first + t, n + j + v, sums + j / NR * each + t * DIT__WINOGRAD_POINTS * NR + v);
}

static TARGET void LAYER(winograd)(const dit__winograd *w, int32_t first, int32_t count, float *scratch) {
  for (int32_t t = 0; t < count; t += DIT__WINOGRAD_GROUP)
    for (int32_t n = 0; n < w->columns; n += DIT__WINOGRAD_COLUMNS) LAYER(winograd_group)
  (w, first + t, count - t < DIT__WINOGRAD_GROUP ? count - t : DIT__WINOGRAD_GROUP, n,
   w->columns - n < DIT__WINOGRAD_COLUMNS ? w->columns - n : DIT__WINOGRAD_COLUMNS, scratch);
}

#undef PANEL_POINT
