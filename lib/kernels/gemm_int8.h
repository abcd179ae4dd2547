/* Low-precision GEMM: int8 (docs/numerics.md, "Products in int8"), or bfloat16 with QGEMM_BF16, which is outside of the
 * promise of equal bits. Both lay groups of k into lanes of 32 bits: four bytes, or two bfloat16. See template.h.
 *
 * Panels of weights are [group][QGEMM_NR] of 4 bytes, each with QGEMM_NR floats behind it: the sums of the rows of w
 * (int8), from which the lower ends of the quantised rows are made up for. */

#define QGEMM_NR (QGEMM_NV * VL)
#ifdef QGEMM_BF16
#define QGEMM_GROUP 2
#else
#define QGEMM_GROUP 4
#endif

/* ---- Microkernels ---- */

/* Computes the sums of a tile of rows x QGEMM_NR over all groups, c[row][vector]. */
static FORCE_INLINE TARGET void FN(qgemm_ukernel)(const int rows, const uint8_t *a, ptrdiff_t a_stride, int32_t groups,
                                                  const uint8_t *b, VI *c) {
  VI acc[QGEMM_MR][QGEMM_NV];
  UNROLL
  for (int r = 0; r < QGEMM_MR; r++) {
    UNROLL
    for (int v = 0; v < QGEMM_NV; v++) acc[r][v] = I_ZERO();
  }
  for (; groups > 0; groups--, a += 4, b += 4 * QGEMM_NR) {
    VI column[QGEMM_NV];
    UNROLL
    for (int v = 0; v < QGEMM_NV; v++) column[v] = I_LOAD(b + v * 4 * VL);
    UNROLL
    for (int r = 0; r < QGEMM_MR; r++)
      if (r < rows) {
        const VI value = I_BROADCAST(a + r * a_stride);
        UNROLL
        for (int v = 0; v < QGEMM_NV; v++) acc[r][v] = I_DOT(acc[r][v], value, column[v]);
      }
  }
  UNROLL
  for (int r = 0; r < QGEMM_MR; r++)
    if (r < rows) {
      UNROLL
      for (int v = 0; v < QGEMM_NV; v++) c[r * QGEMM_NV + v] = acc[r][v];
    }
}

typedef void (*FN(qgemm_ukernel_fn))(const uint8_t *a, ptrdiff_t a_stride, int32_t groups, const uint8_t *b, VI *c);

#define INSTANCE(rows)                                                                                                \
  static TARGET void FN(qgemm_ukernel_##rows)(const uint8_t *a, ptrdiff_t a_stride, int32_t groups, const uint8_t *b, \
                                              VI *c) {                                                                \
    FN(qgemm_ukernel)(rows, a, a_stride, groups, b, c);                                                               \
  }
#define ENTRY(rows) [rows] = FN(qgemm_ukernel_##rows)

/* clang-format off */
INSTANCE(1) INSTANCE(2)
#if QGEMM_MR >= 4
INSTANCE(3) INSTANCE(4)
#endif
#if QGEMM_MR >= 6
INSTANCE(5) INSTANCE(6)
#endif
#if QGEMM_MR >= 12
INSTANCE(7) INSTANCE(8) INSTANCE(9) INSTANCE(10) INSTANCE(11) INSTANCE(12)
#endif

static const FN(qgemm_ukernel_fn) FN(qgemm_ukernels)[QGEMM_MR + 1] = {
    ENTRY(1), ENTRY(2),
#if QGEMM_MR >= 4
    ENTRY(3), ENTRY(4),
#endif
#if QGEMM_MR >= 6
    ENTRY(5), ENTRY(6),
#endif
#if QGEMM_MR >= 12
    ENTRY(7), ENTRY(8), ENTRY(9), ENTRY(10), ENTRY(11), ENTRY(12),
#endif
};
/* clang-format on */
#undef INSTANCE
#undef ENTRY

/* ---- Tiles ---- */

/* Returns `count` sums of row m, columns n.., as f32. row_sums: the sums of the weights of these columns. */
static FORCE_INLINE TARGET VF FN(dequantize)(const dit__qgemm *p, int32_t m, int32_t n, int32_t count, VI sum,
                                             const float *row_sums) {
#ifdef QGEMM_BF16
  (void)p, (void)m, (void)n, (void)count, (void)row_sums;
  return I_SUM_TO_F32(sum);
#else
  VF value = V_MUL(I_SUM_TO_F32(sum), V_SET(p->row_scale[m]));
  value = V_ADD(value, V_MUL(V_LOAD(row_sums), V_SET(p->row_low[m])));
  return V_MUL(value, FN(load_count)(p->weight_scale + n, count));
#endif
}

/* Stores a tile; `epilogue` and `columns` are constants where all columns are stored. */
static FORCE_INLINE TARGET void FN(store_qtile)(const dit__qgemm *p, const int epilogue, const VI *sums, int32_t m,
                                                int32_t rows, int32_t n, int32_t columns, const float *row_sums) {
  for (int32_t r = 0; r < rows; r++) {
    float *out = p->to.out + (m + r) * p->to.out_stride + n;
    for (int32_t j = 0; j < columns; j += VL) {
      const int32_t count = min32(columns - j, VL);
      VF value = FN(dequantize)(p, m + r, n + j, count, sums[r * QGEMM_NV + j / VL], row_sums + j);
      value = FN(epilogue)(&p->to, epilogue, m + r, n + j, count, value);
      FN(store_count)(out + j, value, count);
    }
  }
}

/* Multiplies rows m..m+rows-1 with the panel at column n. */
static TARGET void FN(multiply_qtile)(const dit__qgemm *p, int32_t n, int32_t m, int32_t rows) {
  const int32_t columns = min32(p->to.columns - n, QGEMM_NR);
  const uint8_t *panel = p->panels + (size_t)(n / QGEMM_NR) * (size_t)(p->groups + 1) * (4 * QGEMM_NR);
  const float *row_sums = (const float *)(const void *)(panel + (size_t)p->groups * (4 * QGEMM_NR));
  VI sums[QGEMM_MR * QGEMM_NV];
  FN(qgemm_ukernels)[rows](p->a + m * p->a_stride, p->a_stride, p->groups, panel, sums);
  if (columns < QGEMM_NR)
    FN(store_qtile)(p, p->to.epilogue, sums, m, rows, n, columns, row_sums);
  else if (p->to.epilogue == DIT__EPILOGUE_STORE)
    FN(store_qtile)(p, DIT__EPILOGUE_STORE, sums, m, rows, n, QGEMM_NR, row_sums);
  else if (p->to.epilogue == DIT__EPILOGUE_GELU)
    FN(store_qtile)(p, DIT__EPILOGUE_GELU, sums, m, rows, n, QGEMM_NR, row_sums);
  else if (p->to.epilogue == DIT__EPILOGUE_RESIDUAL)
    FN(store_qtile)(p, DIT__EPILOGUE_RESIDUAL, sums, m, rows, n, QGEMM_NR, row_sums);
  else if (p->to.epilogue == DIT__EPILOGUE_GATED)
    FN(store_qtile)(p, DIT__EPILOGUE_GATED, sums, m, rows, n, QGEMM_NR, row_sums);
  else if (p->to.epilogue == DIT__EPILOGUE_SILU)
    FN(store_qtile)(p, DIT__EPILOGUE_SILU, sums, m, rows, n, QGEMM_NR, row_sums);
  else
    FN(store_qtile)(p, DIT__EPILOGUE_PRODUCT, sums, m, rows, n, QGEMM_NR, row_sums);
}

/* Implements dit__qgemm_kernel.gemm. */
static TARGET void FN(qgemm)(const dit__qgemm *p, int32_t first, int32_t count) {
  const int64_t panels = (p->to.columns + QGEMM_NR - 1) / QGEMM_NR;
  dit__prefetch_cursor next = prefetch_begin(p->to.next, panels * ((count + QGEMM_MR - 1) / QGEMM_MR));
  for (int32_t n = 0; n < p->to.columns; n += QGEMM_NR)
    for (int32_t m = first, left = count; left > 0;) {
      const int32_t tiles = (left + QGEMM_MR - 1) / QGEMM_MR, rows = (left + tiles - 1) / tiles;
      FN(prefetch_step)(&next);
      FN(multiply_qtile)(p, n, m, rows);
      m += rows;
      left -= rows;
    }
}

/* ---- Packing weights ---- */

#if VL == 1
/* Copies one group of row n of w, from number k on, with zeros behind its end. Not through a float as below: a float
 * may pass through an x87 register, which alters some. */
static TARGET void FN(copy_group)(const dit__weights *w, int32_t n, int32_t k, uint8_t *to) {
  uint8_t four[4] = {0, 0, 0, 0};
  memcpy(four, w->data + (size_t)n * (size_t)w->stride + (size_t)k, (size_t)min32(w->k - k, 4));
  memcpy(to, four, 4);
}
#else
/* Returns VL groups of row n of w, from number k on, with zeros behind its end: the lanes are bits, not numbers. */
static FORCE_INLINE TARGET VF FN(load_groups)(const dit__weights *w, int32_t n, int32_t k) {
  enum { COUNT = VL * QGEMM_GROUP };
  const size_t size = dit__type_size(w->type);
  const uint8_t *row = w->data + ((size_t)n * (size_t)w->stride + (size_t)k) * size;
  const int32_t left = w->k - k;
  V_PREFETCH_L1(row + 128);
#ifdef QGEMM_BF16
  const float scale = w->scale ? w->scale[n] : 0;
  uint8_t groups[4 * VL];
  float numbers[COUNT];
  for (int i = 0; i < COUNT; i += VL) {
    if (i + VL > left)
      for (int j = i; j < i + VL; j++) numbers[j] = j < left ? f32_load(w->type, row, j, scale) : 0;
    const VF value = i + VL > left ? V_LOAD(numbers + i) : FN(load_typed)(w->type, row, i, V_SET(scale));
    V_STORE_BF16(groups + 2 * i, value);
  }
  return V_LOAD_BYTES(groups);
#else
  if (left >= COUNT) return V_LOAD_BYTES(row);
  uint8_t rest[COUNT] = {0};
  memcpy(rest, row, (size_t)left);
  return V_LOAD_BYTES(rest);
#endif
}
#endif

/* Transposes groups g..g+VL-1 of rows n..n+VL-1 of w into panel[group][QGEMM_NR], with zeros for rows from `end` on. */
static FORCE_INLINE TARGET void FN(pack_groups)(const dit__weights *w, int32_t n, int32_t end, int32_t g,
                                                int32_t groups, uint8_t *panel) {
#if VL == 1
  (void)groups;
  uint8_t *to = panel + (size_t)g * QGEMM_NR * 4;
  if (n < end)
    FN(copy_group)(w, n, g * QGEMM_GROUP, to);
  else
    memset(to, 0, 4);
#else
  VF square[VL];
  UNROLL
  for (int j = 0; j < VL; j++) square[j] = n + j < end ? FN(load_groups)(w, n + j, g * QGEMM_GROUP) : V_ZERO();
  V_TRANSPOSE(square);
  float *to = (float *)(void *)panel + (ptrdiff_t)g * QGEMM_NR;
  UNROLL
  for (int i = 0; i < VL; i++)
    if (g + i < groups) V_STORE(to + i * QGEMM_NR, square[i]);
#endif
}

/* Returns the sums of VL rows of w, from their panel. */
static FORCE_INLINE TARGET VF FN(sum_rows)(const uint8_t *panel, int32_t groups) {
#ifdef QGEMM_BF16
  (void)panel, (void)groups;
  return V_ZERO(); /* not used */
#else
  static const uint8_t ones[4] = {1, 1, 1, 1};
  VI sum = I_ZERO();
  for (int32_t g = 0; g < groups; g++) sum = I_DOT(sum, I_BROADCAST(ones), I_LOAD(panel + (size_t)g * QGEMM_NR * 4));
  return I_SUM_TO_F32(sum);
#endif
}

/* Implements dit__qgemm_kernel.pack. */
static TARGET void FN(qgemm_pack)(const dit__weights *w, int32_t first, int32_t count, uint8_t *panels) {
  const int32_t groups = (w->k + QGEMM_GROUP - 1) / QGEMM_GROUP, end = first + count;
  for (int32_t n = first; n < end; n += QGEMM_NR, panels += (size_t)(groups + 1) * (4 * QGEMM_NR)) {
    for (int32_t v = 0; v < QGEMM_NR; v += VL)
      for (int32_t g = 0; g < groups; g += VL) FN(pack_groups)(w, n + v, end, g, groups, panels + 4 * v);
    float *row_sums = (float *)(void *)panels + (ptrdiff_t)groups * QGEMM_NR;
    for (int32_t v = 0; v < QGEMM_NR; v += VL) V_STORE(row_sums + v, FN(sum_rows)(panels + 4 * v, groups));
  }
}

/* ---- Quantising activations ---- */

#ifdef QGEMM_BF16
/* Implements dit__qgemm_kernel.quantize: rounds to bfloat16. */
static TARGET void FN(quantize_rows)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, uint8_t *q,
                                     ptrdiff_t q_stride, float *row_scale, float *row_low) {
  (void)row_scale, (void)row_low;
  for (int32_t r = 0; r < rows; r++, x += x_stride, q += q_stride) {
    int32_t i = 0;
    for (; i + VL <= width; i += VL) V_STORE_BF16(q + 2 * i, V_LOAD(x + i));
    if (2 * i == q_stride) continue;
    uint8_t rest[2 * VL];
    V_STORE_BF16(rest, FN(load_clipped)(x, i, width));
    memcpy(q + 2 * i, rest, (size_t)(q_stride - 2 * i));
  }
}
#else
/* Finds the smallest and the largest number of a row. */
static inline TARGET void FN(row_range)(const float *x, int32_t width, float *smallest, float *largest) {
  float low = x[0], high = x[0];
  if (width >= VL) {
    VF lows = V_LOAD(x), highs = lows;
    for (int32_t i = VL; i + VL <= width; i += VL) {
      lows = V_MIN(V_LOAD(x + i), lows);
      highs = V_MAX(V_LOAD(x + i), highs);
    }
    float lane[2][VL];
    V_STORE(lane[0], lows);
    V_STORE(lane[1], highs);
    for (int i = 0; i < VL; i++) {
      low = lane[0][i] < low ? lane[0][i] : low;
      high = lane[1][i] > high ? lane[1][i] : high;
    }
  }
  for (int32_t i = width / VL * VL; i < width; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  *smallest = low;
  *largest = high;
}

/* Implements dit__qgemm_kernel.quantize: q = round((x - low) / scale), clamped to 0..DIT__QMAX. */
static TARGET void FN(quantize_rows)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, uint8_t *q,
                                     ptrdiff_t q_stride, float *row_scale, float *row_low) {
  const VF round = V_SET(0x1.8p+23f); /* added and subtracted: leaves an integer */
  for (int32_t r = 0; r < rows; r++, x += x_stride, q += q_stride) {
    float low, high;
    FN(row_range)(x, width, &low, &high);
    row_scale[r] = (high - low) / DIT__QMAX;
    row_low[r] = low;
    const float inverse = high - low > 0x1p-120f ? DIT__QMAX / (high - low) : 0; /* so that it is finite */
    memset(q + width, 0, (size_t)(q_stride - width));
    for (int32_t i = 0; i < width; i += VL) {
      VF t = V_MUL(V_SUB(FN(load_clipped)(x, i, width), V_SET(low)), V_SET(inverse));
      t = V_MAX(V_SUB(V_ADD(t, round), round), V_ZERO()); /* of NaN, 0 */
      t = V_MIN(t, V_SET(DIT__QMAX));
      if (i + VL <= width) {
        V_STORE_U8(q + i, t);
        continue;
      }
      uint8_t rest[VL];
      V_STORE_U8(rest, t);
      memcpy(q + i, rest, (size_t)(width - i));
    }
  }
}
#endif

static void FN(fill_qgemm)(dit__qgemm_kernel *kernel) {
  *kernel = (dit__qgemm_kernel){
      .nr = QGEMM_NR,
      .group = QGEMM_GROUP,
      .pack = FN(qgemm_pack),
      .quantize = FN(quantize_rows),
      .gemm = FN(qgemm),
  };
}
