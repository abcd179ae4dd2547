/* Products of narrow numbers, over a vector layer whose lanes hold a group of them: four bytes (int8; docs/numerics.md,
 * "Products in int8"), or two bfloat16 with DOT_BF16 (outside of the promise of equal bits). On top of the layer it
 * asks for
 *
 *   DOT_NV, DOT_MR           vectors of a panel; rows of a tile
 *   vi, i_*                  vectors of 32-bit lanes: sums and groups
 *   i_dot(sum, a, b)         sum of each lane plus its group's products: a 0..127 of activations, b of weights
 *   v_store_u8, v_store_bf16 VL numbers, narrow
 *
 * No include guard: each instruction set has its own. */

#define DOT_NR (DOT_NV * VL)
#ifdef DOT_BF16
#define DOT_GROUP 2
#else
#define DOT_GROUP 4
#endif

/* ---- Tiles ---- */

/* rows x DOT_NR sums over all groups of k. */
static inline INLINE TARGET void LAYER(tile_dot)(const int rows, const uint8_t *a, ptrdiff_t a_stride, int32_t groups,
                                                 const uint8_t *b, vi *c) {
  vi acc[DOT_MR][DOT_NV];
  UNROLL
  for (int r = 0; r < DOT_MR; r++) {
    UNROLL
    for (int v = 0; v < DOT_NV; v++) acc[r][v] = i_zero();
  }
  for (; groups > 0; groups--, a += 4, b += 4 * DOT_NR) {
    vi column[DOT_NV];
    UNROLL
    for (int v = 0; v < DOT_NV; v++) column[v] = i_load(b + v * 4 * VL);
    UNROLL
    for (int r = 0; r < DOT_MR; r++)
      if (r < rows) {
        const vi value = i_broadcast(a + r * a_stride);
        UNROLL
        for (int v = 0; v < DOT_NV; v++) acc[r][v] = i_dot(acc[r][v], value, column[v]);
      }
  }
  UNROLL
  for (int r = 0; r < DOT_MR; r++)
    if (r < rows) {
      UNROLL
      for (int v = 0; v < DOT_NV; v++) c[r * DOT_NV + v] = acc[r][v];
    }
}

typedef void (*LAYER(tile_of))(const uint8_t *a, ptrdiff_t a_stride, int32_t groups, const uint8_t *b, vi *c);

#define TILE(rows)                                                                                                  \
  static TARGET void LAYER(tile_dot_##rows)(const uint8_t *a, ptrdiff_t a_stride, int32_t groups, const uint8_t *b, \
                                            vi *c) {                                                                \
    LAYER(tile_dot)(rows, a, a_stride, groups, b, c);                                                               \
  }
/* clang-format off */
TILE(1) TILE(2)
#if DOT_MR >= 4
TILE(3) TILE(4)
#endif
#if DOT_MR >= 6
TILE(5) TILE(6)
#endif
#if DOT_MR >= 12
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif

static const LAYER(tile_of) LAYER(tiles_dot)[DOT_MR] = {
    LAYER(tile_dot_1), LAYER(tile_dot_2),
#if DOT_MR >= 4
    LAYER(tile_dot_3), LAYER(tile_dot_4),
#endif
#if DOT_MR >= 6
    LAYER(tile_dot_5), LAYER(tile_dot_6),
#endif
#if DOT_MR >= 12
    LAYER(tile_dot_7), LAYER(tile_dot_8), LAYER(tile_dot_9), LAYER(tile_dot_10), LAYER(tile_dot_11), LAYER(tile_dot_12),
#endif
};
/* clang-format on */
#undef TILE

/* ---- Products ---- */

/* VL sums of row m, at column n, as f32; `row_sums` are those of the weights there. */
static inline INLINE TARGET vf LAYER(dot_value)(const dit__qgemm *p, int32_t m, int32_t n, int32_t count, vi sum,
                                                const float *row_sums) {
#ifdef DOT_BF16
  (void)p, (void)m, (void)n, (void)count, (void)row_sums;
  return i_float(sum);
#else
  vf value = v_mul(i_float(sum), v_set(p->row_scale[m]));
  value = v_add(value, v_mul(v_load(row_sums), v_set(p->row_low[m])));
  return v_mul(value, count == VL ? v_load(p->weight_scale + n) : v_load_part(p->weight_scale + n, count));
#endif
}

/* A tile leaves; `finish` is a constant where all columns count. */
static inline INLINE TARGET void LAYER(leave_dot)(const dit__qgemm *p, const int finish, const vi *sums, int32_t m,
                                                  int32_t rows, int32_t n, int32_t columns, const float *row_sums) {
  for (int32_t r = 0; r < rows; r++) {
    float *out = p->to.out + (m + r) * p->to.out_stride + n;
    for (int32_t at = 0; at < columns; at += VL) {
      const int32_t count = columns - at < VL ? columns - at : VL;
      const vi sum = sums[r * DOT_NV + at / VL];
      vf value = LAYER(dot_value)(p, m + r, n + at, count, sum, row_sums + at);
      value = LAYER(finish)(&p->to, finish, m + r, n + at, count, value);
      if (count == VL)
        v_store(out + at, value);
      else
        v_store_part(out + at, value, count);
    }
  }
}

static TARGET void LAYER(sliver_dot)(const dit__qgemm *p, int32_t n, int32_t m, int32_t rows) {
  const int32_t columns = p->to.columns - n < DOT_NR ? p->to.columns - n : DOT_NR;
  const uint8_t *panel = p->panels + (size_t)(n / DOT_NR) * (size_t)(p->groups + 1) * (4 * DOT_NR);
  const float *row_sums = (const float *)(const void *)(panel + (size_t)p->groups * (4 * DOT_NR));
  vi sums[DOT_MR * DOT_NV];
  LAYER(tiles_dot)[rows - 1](p->a + m * p->a_stride, p->a_stride, p->groups, panel, sums);
  if (columns < DOT_NR)
    LAYER(leave_dot)(p, p->to.epilogue, sums, m, rows, n, columns, row_sums);
  else if (p->to.epilogue == DIT__EPILOGUE_STORE)
    LAYER(leave_dot)(p, DIT__EPILOGUE_STORE, sums, m, rows, n, DOT_NR, row_sums);
  else if (p->to.epilogue == DIT__EPILOGUE_GELU)
    LAYER(leave_dot)(p, DIT__EPILOGUE_GELU, sums, m, rows, n, DOT_NR, row_sums);
  else if (p->to.epilogue == DIT__EPILOGUE_RESIDUAL)
    LAYER(leave_dot)(p, DIT__EPILOGUE_RESIDUAL, sums, m, rows, n, DOT_NR, row_sums);
  else
    LAYER(leave_dot)(p, DIT__EPILOGUE_GATED, sums, m, rows, n, DOT_NR, row_sums);
}

static TARGET void LAYER(product_dot)(const dit__qgemm *p, int32_t first, int32_t count) {
  const int64_t panels = (p->to.columns + DOT_NR - 1) / DOT_NR;
  dit__prefetch_cursor weights = dit__prefetch_begin(p->to.next, panels * ((count + DOT_MR - 1) / DOT_MR));
  for (int32_t n = 0; n < p->to.columns; n += DOT_NR)
    for (int32_t m = first, left = count; left > 0;) {
      const int32_t slivers = (left + DOT_MR - 1) / DOT_MR, rows = (left + slivers - 1) / slivers;
      LAYER(fetch)(&weights);
      LAYER(sliver_dot)(p, n, m, rows);
      m += rows;
      left -= rows;
    }
}

/* ---- Packing ---- */

#if VL > 1
/* VL groups of row n of w, from number k on, zeros behind its end: lanes of bits. */
static inline INLINE TARGET vf LAYER(dot_groups)(const dit__weights *w, int32_t n, int32_t k) {
  enum { COUNT = VL * DOT_GROUP };
  const size_t size = dit__type_size(w->type);
  const uint8_t *row = w->data + ((size_t)n * (size_t)w->stride + (size_t)k) * size;
  const int32_t left = w->k - k;
  v_prefetch(row + 128);
#ifdef DOT_BF16
  const float scale = w->scale ? w->scale[n] : 0;
  uint8_t narrow[4 * VL];
  float wide[COUNT];
  for (int i = 0; i < COUNT; i += VL) {
    if (i + VL > left)
      for (int j = i; j < i + VL; j++) wide[j] = j < left ? dit__load_one(w->type, row, j, scale) : 0;
    v_store_bf16(narrow + 2 * i, i + VL > left ? v_load(wide + i) : LAYER(load_as)(w->type, row, i, v_set(scale)));
  }
  return v_load_bytes(narrow);
#else
  if (left >= COUNT) return v_load_bytes(row);
  uint8_t rest[COUNT] = {0};
  memcpy(rest, row, (size_t)left);
  return v_load_bytes(rest);
#endif
}
#endif

/* Panels [groups][DOT_NR] of 4 bytes, each with DOT_NR sums of the rows of w behind it. */
static TARGET void LAYER(pack_dot)(const dit__weights *w, int32_t first, int32_t count, uint8_t *panels) {
  const int32_t groups = (w->k + DOT_GROUP - 1) / DOT_GROUP;
  for (int32_t n = 0; n < count; n += DOT_NR, panels += (size_t)(groups + 1) * (4 * DOT_NR)) {
    for (int32_t v = 0; v < DOT_NR; v += VL)
      for (int32_t g = 0; g < groups; g += VL) {
#if VL == 1 /* bytes are no float: a float may pass through an x87 register, which alters some */
        const int32_t at = g * DOT_GROUP, left = w->k - at < 4 ? w->k - at : 4;
        uint8_t four[4] = {0, 0, 0, 0};
        if (n + v < count)
          memcpy(four, w->data + (size_t)(first + n + v) * (size_t)w->stride + (size_t)at, (size_t)left);
        memcpy(panels + ((size_t)g * DOT_NR + (size_t)v) * 4, four, 4);
#else
        vf square[VL];
        UNROLL
        for (int j = 0; j < VL; j++)
          square[j] = n + v + j < count ? LAYER(dot_groups)(w, first + n + v + j, g * DOT_GROUP) : v_zero();
        v_turn(square);
        float *to = (float *)(void *)panels + (ptrdiff_t)g * DOT_NR + v;
        UNROLL
        for (int i = 0; i < VL; i++)
          if (g + i < groups) v_store(to + i * DOT_NR, square[i]);
#endif
      }
    float *row_sums = (float *)(void *)panels + (ptrdiff_t)groups * DOT_NR;
    for (int32_t v = 0; v < DOT_NR; v += VL) {
#ifdef DOT_BF16
      v_store(row_sums + v, v_zero()); /* not used */
#else
      static const uint8_t ones[4] = {1, 1, 1, 1};
      vi sum = i_zero();
      for (int32_t g = 0; g < groups; g++)
        sum = i_dot(sum, i_broadcast(ones), i_load(panels + ((size_t)g * DOT_NR + (size_t)v) * 4));
      v_store(row_sums + v, i_float(sum));
#endif
    }
  }
}

/* ---- Activations ---- */

#ifdef DOT_BF16
/* q = x as bfloat16, zeros behind the row. */
static TARGET void LAYER(narrow)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, uint8_t *q,
                                 ptrdiff_t q_stride, float *row_scale, float *row_low) {
  (void)row_scale, (void)row_low;
  for (int32_t r = 0; r < rows; r++, x += x_stride, q += q_stride) {
    int32_t i = 0;
    for (; i + VL <= width; i += VL) v_store_bf16(q + 2 * i, v_load(x + i));
    if (2 * i == q_stride) continue;
    uint8_t rest[2 * VL];
    v_store_bf16(rest, LAYER(part)(x, i, width));
    memcpy(q + 2 * i, rest, (size_t)(q_stride - 2 * i));
  }
}
#else
/* The smallest and largest number of a row. */
static inline TARGET void LAYER(range)(const float *x, int32_t width, float *least, float *most) {
  float low = x[0], high = x[0];
  if (width >= VL) {
    vf lows = v_load(x), highs = lows;
    for (int32_t i = VL; i + VL <= width; i += VL) {
      lows = v_min(v_load(x + i), lows);
      highs = v_max(v_load(x + i), highs);
    }
    float lane[2][VL];
    v_store(lane[0], lows);
    v_store(lane[1], highs);
    for (int i = 0; i < VL; i++) {
      low = lane[0][i] < low ? lane[0][i] : low;
      high = lane[1][i] > high ? lane[1][i] : high;
    }
  }
  for (int32_t i = width / VL * VL; i < width; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  *least = low;
  *most = high;
}

/* q = round((x - low) / scale), zeros behind the row. */
static TARGET void LAYER(narrow)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, uint8_t *q,
                                 ptrdiff_t q_stride, float *row_scale, float *row_low) {
  for (int32_t r = 0; r < rows; r++, x += x_stride, q += q_stride) {
    float low, high;
    LAYER(range)(x, width, &low, &high);
    row_scale[r] = (high - low) / DIT__QMAX;
    row_low[r] = low;
    const float inverse = high - low > 0x1p-120f ? DIT__QMAX / (high - low) : 0; /* so that it is finite */
    memset(q + width, 0, (size_t)(q_stride - width));
    for (int32_t i = 0; i < width; i += VL) {
      vf t = v_mul(v_sub(LAYER(part)(x, i, width), v_set(low)), v_set(inverse));
      t = v_max(v_sub(v_add(t, v_set(0x1.8p+23f)), v_set(0x1.8p+23f)), v_zero());
      t = v_min(t, v_set(DIT__QMAX)); /* in 0..127 whatever x is; NaN becomes 0 */
      if (i + VL <= width) {
        v_store_u8(q + i, t);
        continue;
      }
      uint8_t rest[VL];
      v_store_u8(rest, t);
      memcpy(q + i, rest, (size_t)(width - i));
    }
  }
}
#endif

static void LAYER(fill_dot)(dit__qgemm_kernel *dot) {
  dot->nr = DOT_NR;
  dot->group = DOT_GROUP;
  dot->pack = LAYER(pack_dot);
  dot->quantize = LAYER(narrow);
  dot->gemm = LAYER(product_dot);
}
