/* Products in f32: tiles, and the loops over them. No include guard: see template.h. */

/* ---- Tiles ---- */

/* rows x (nv vectors) of block sums: c[r][j] = the chain over k of a[k][r] * b[k][j], or, with `add`, c[r][j] plus
 * that. On the way it brings what lies at `fetch` to the second cache, a line every eighth k: all at once they would
 * have to wait for each other. The instances below are what the time goes into. */
static inline INLINE TARGET void LAYER(tile)(const int rows, const int nv, const float *a, int32_t length,
                                             const float *b, float *c, ptrdiff_t c_stride, int32_t add,
                                             const float *fetch) {
  vf acc[MR][NV];
  UNROLL
  for (int r = 0; r < MR; r++) {
    UNROLL
    for (int v = 0; v < NV; v++) acc[r][v] = v_zero();
  }
  for (; length > 0; length -= 8, fetch += 16) {
    v_prefetch_far(fetch);
    for (int32_t k = length < 8 ? length : 8; k > 0; k--, a += MR, b += NR) {
      vf column[NV];
      UNROLL
      for (int v = 0; v < NV; v++)
        if (v < nv) column[v] = v_load(b + v * VL);
      UNROLL
      for (int r = 0; r < MR; r++)
        if (r < rows) {
          vf value = v_broadcast(a + r);
          UNROLL
          for (int v = 0; v < NV; v++)
            if (v < nv) acc[r][v] = v_fma(value, column[v], acc[r][v]);
        }
    }
  }
  UNROLL
  for (int r = 0; r < MR; r++)
    if (r < rows) {
      float *to = c + r * c_stride;
      UNROLL
      for (int v = 0; v < NV; v++)
        if (v < nv && add) acc[r][v] = v_add(v_load(to + v * VL), acc[r][v]);
      UNROLL
      for (int v = 0; v < NV; v++)
        if (v < nv) v_store(to + v * VL, acc[r][v]);
    }
}

/* From packed rows, [k][MR]; and the same for the first VL columns alone. */
#define TILE(rows)                                                                                                    \
  static TARGET void LAYER(tile_##rows)(const float *a, int32_t length, const float *b, float *c, ptrdiff_t c_stride, \
                                        int32_t add, const float *fetch) {                                            \
    LAYER(tile)(rows, NV, a, length, b, c, c_stride, add, fetch);                                                     \
  }                                                                                                                   \
  static TARGET void LAYER(slim_##rows)(const float *a, int32_t length, const float *b, float *c, ptrdiff_t c_stride, \
                                        int32_t add, const float *fetch) {                                            \
    LAYER(tile)(rows, 1, a, length, b, c, c_stride, add, fetch);                                                      \
  }
#define TILE_PAIR(rows) \
  { LAYER(slim_##rows), LAYER(tile_##rows) }

/* clang-format off */
TILE(1) TILE(2)
#if MR >= 6
TILE(3) TILE(4) TILE(5) TILE(6)
#endif
#if MR >= 12
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif

static const dit__tile LAYER(tiles)[MR + 1][2] = {
    {0, 0}, TILE_PAIR(1), TILE_PAIR(2),
#if MR >= 6
    TILE_PAIR(3), TILE_PAIR(4), TILE_PAIR(5), TILE_PAIR(6),
#endif
#if MR >= 12
    TILE_PAIR(7), TILE_PAIR(8), TILE_PAIR(9), TILE_PAIR(10), TILE_PAIR(11), TILE_PAIR(12),
#endif
};
/* clang-format on */
#undef TILE
#undef TILE_PAIR

/* ---- Products ---- */

/* Where the sums of row m and the panel of column n are kept between blocks. */
static inline INLINE TARGET float *LAYER(kept)(const dit__gemm *p, int32_t m, int32_t n) {
  return p->partial + (n / NR * p->partial_rows + m) * NR;
}

/* A tile leaves after the last block, added to what earlier blocks gave. */
static inline INLINE TARGET void LAYER(leave_whole)(const dit__gemm *p, const int finish, const float *tile, int32_t m,
                                                    int32_t rows, int32_t n, int32_t first) {
  for (int32_t r = 0; r < rows; r++) {
    const float *kept = first ? tile : LAYER(kept)(p, m + r, n);
    float *out = p->out + (m + r) * p->out_stride + n;
    UNROLL
    for (int v = 0; v < NV; v++) {
      vf value = v_load(tile + r * NR + v * VL);
      if (!first) value = v_add(v_load(kept + v * VL), value);
      v_store(out + v * VL, LAYER(finish)(p, finish, m + r, n + v * VL, VL, value));
    }
  }
}

/* The same at the right edge, where only some columns count. */
static TARGET void LAYER(leave_edge)(const dit__gemm *p, const float *tile, int32_t m, int32_t rows, int32_t n,
                                     int32_t columns, int32_t first) {
  for (int32_t r = 0; r < rows; r++)
    for (int32_t j = 0; j < columns; j += VL) {
      const int32_t count = columns - j < VL ? columns - j : VL;
      vf value = v_load(tile + r * NR + j);
      if (!first) value = v_add(v_load(LAYER(kept)(p, m + r, n) + j), value);
      value = LAYER(finish)(p, p->epilogue, m + r, n + j, count, value);
      float *out = p->out + (m + r) * p->out_stride + n + j;
      if (count == VL)
        v_store(out, value);
      else
        v_store_part(out, value, count);
    }
}

/* Rows m..m+rows-1, packed, and the columns of one panel, of block k0..k0+length-1. */
static TARGET void LAYER(sliver)(const dit__gemm *p, int32_t k0, int32_t length, int32_t n, const float *packed,
                                 int32_t m, int32_t rows, const float *fetch) {
  const int32_t k = p->taps * p->channels, columns = p->columns - n < NR ? p->columns - n : NR;
  const int32_t first = k0 == 0;
  const dit__tile make = LAYER(tiles)[rows][columns > VL];
  const float *b = p->panels + (ptrdiff_t)n * k + (ptrdiff_t)k0 * NR;
  if (k0 + length < k) {
    make(packed, length, b, LAYER(kept)(p, m, n), NR, !first, fetch);
    return;
  }
  float tile[MR * NR];
  make(packed, length, b, tile, NR, 0, fetch);
  if (columns < NR)
    LAYER(leave_edge)(p, tile, m, rows, n, columns, first);
  else if (p->epilogue == DIT__EPILOGUE_STORE)
    LAYER(leave_whole)(p, DIT__EPILOGUE_STORE, tile, m, rows, n, first);
  else if (p->epilogue == DIT__EPILOGUE_GELU)
    LAYER(leave_whole)(p, DIT__EPILOGUE_GELU, tile, m, rows, n, first);
  else if (p->epilogue == DIT__EPILOGUE_RESIDUAL)
    LAYER(leave_whole)(p, DIT__EPILOGUE_RESIDUAL, tile, m, rows, n, first);
  else
    LAYER(leave_whole)(p, DIT__EPILOGUE_GATED, tile, m, rows, n, first);
}

/* The next block of the same rows, or the first one of those behind. */
static TARGET dit__prefetch LAYER(rows_ahead)(const dit__gemm *p, const dit__slivers *s, int32_t k0, int32_t end) {
  const int32_t k = p->channels, on = k0 + DIT__KC < k, next = on ? k0 + DIT__KC : 0;
  const int32_t m = on ? s->row[0] : s->end, width = k - next < DIT__KC ? k - next : DIT__KC;
  int32_t rows = p->taps > 1 ? 0 : on ? s->end - m : end - m; /* bands of convolutions lie near already */
  if (rows > DIT__SLIVERS * MR) rows = DIT__SLIVERS * MR;
  const dit__prefetch ahead = {(const uint8_t *)(p->a + m * p->row_stride + next), p->row_stride * 4, width * 4, rows};
  return ahead;
}

/* Block k0..k0+length-1 of some rows, packed: a panel's block stays in the first cache while they pass from the second,
 * and the next panel's is fetched. */
static TARGET void LAYER(block)(const dit__gemm *p, const dit__slivers *s, int32_t k0, int32_t length,
                                const float *packed, dit__prefetch_cursor *ahead) {
  const int32_t k = p->taps * p->channels, panels = (p->columns + NR - 1) / NR, step = length * NR / s->count;
  for (int32_t n = 0; n < panels; n++) {
    const float *next = p->panels + ((ptrdiff_t)(n + (n + 1 < panels)) * k + k0) * NR;
    for (int32_t i = 0; i < s->count; i++) {
      LAYER(fetch)(ahead);
      LAYER(sliver)(p, k0, length, n * NR, packed + i * length * MR, s->row[i], s->rows[i], next + i * step);
    }
  }
}

static TARGET void LAYER(product)(const dit__gemm *p, int32_t first, int32_t count, float *scratch) {
  const int32_t k = p->taps * p->channels, end = first + count, panels = (p->columns + NR - 1) / NR;
  const int32_t blocks = (k + DIT__KC - 1) / DIT__KC;
  dit__prefetch_cursor weights = dit__prefetch_begin(p->next, (int64_t)panels * blocks * ((count + MR - 1) / MR));
  const float *packed = p->packed;
  for (int32_t m = first; m < end;) {
    const dit__slivers s = LAYER(cut_slivers)(p, m, end);
    for (int32_t k0 = 0; k0 < k; k0 += DIT__KC) {
      const int32_t length = k - k0 < DIT__KC ? k - k0 : DIT__KC;
      if (packed) { /* in the order in which they are read */
        LAYER(block)(p, &s, k0, length, packed, &weights);
        packed += s.count * MR * length + DIT__MAX_NR;
      } else {
        dit__prefetch_cursor rows = dit__prefetch_begin(LAYER(rows_ahead)(p, &s, k0, end), (int64_t)panels * s.count);
        LAYER(pack_slivers)(p, &s, k0, length, scratch);
        LAYER(block)(p, &s, k0, length, scratch, &rows);
      }
    }
    m = s.end;
  }
}
