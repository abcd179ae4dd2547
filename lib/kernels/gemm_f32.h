/* GEMM in f32: the microkernels, and the loops around them (Goto & van de Geijn 2008; BLIS). kernels.h shows how a
 * product is divided. Part of template_f32.h. */

/* ---- Microkernels ---- */

/* Computes the sums of a tile of rows x (nv vectors) over a block of k: c[r][j] = the chain over k of a[k][r] *
 * b[k][j], from a row panel [k][MR] and a panel [k][NR]; with `add`, c[r][j] plus that. On the way it prefetches what
 * lies at `prefetch` into L2, one line every 8 k, so that the line-fill buffers never saturate. The instances below are
 * where the time goes. */
static FORCE_INLINE TARGET void FN(ukernel)(const int rows, const int nv, const float *a, int32_t length,
                                            const float *b, float *c, ptrdiff_t c_stride, int32_t add,
                                            const float *prefetch) {
  VF acc[MR][NV];
  UNROLL
  for (int r = 0; r < MR; r++) {
    UNROLL
    for (int v = 0; v < NV; v++) acc[r][v] = V_ZERO();
  }
  for (; length > 0; length -= 8, prefetch += 16) {
    V_PREFETCH_L2(prefetch);
    for (int32_t k = length < 8 ? length : 8; k > 0; k--, a += MR, b += NR) {
      VF column[NV];
      UNROLL
      for (int v = 0; v < NV; v++)
        if (v < nv) column[v] = V_LOAD(b + v * VL);
      UNROLL
      for (int r = 0; r < MR; r++)
        if (r < rows) {
          VF value = V_BROADCAST(a + r);
          UNROLL
          for (int v = 0; v < NV; v++)
            if (v < nv) acc[r][v] = V_FMA(value, column[v], acc[r][v]);
        }
    }
  }
  UNROLL
  for (int r = 0; r < MR; r++)
    if (r < rows) {
      float *to = c + r * c_stride;
      UNROLL
      for (int v = 0; v < NV; v++)
        if (v < nv && add) acc[r][v] = V_ADD(V_LOAD(to + v * VL), acc[r][v]);
      UNROLL
      for (int v = 0; v < NV; v++)
        if (v < nv) V_STORE(to + v * VL, acc[r][v]);
    }
}

/* ukernel_6xNR computes all NR columns of 6 rows; ukernel_6xVL the first VL of them. */
#define INSTANCES(rows)                                                                                \
  static TARGET void FN(ukernel_##rows##xNR)(const float *a, int32_t length, const float *b, float *c, \
                                             ptrdiff_t c_stride, int32_t add, const float *prefetch) { \
    FN(ukernel)(rows, NV, a, length, b, c, c_stride, add, prefetch);                                   \
  }                                                                                                    \
  static TARGET void FN(ukernel_##rows##xVL)(const float *a, int32_t length, const float *b, float *c, \
                                             ptrdiff_t c_stride, int32_t add, const float *prefetch) { \
    FN(ukernel)(rows, 1, a, length, b, c, c_stride, add, prefetch);                                    \
  }
#define BOTH(rows) [rows] = {FN(ukernel_##rows##xVL), FN(ukernel_##rows##xNR)}

/* clang-format off */
INSTANCES(1) INSTANCES(2)
#if MR >= 6
INSTANCES(3) INSTANCES(4) INSTANCES(5) INSTANCES(6)
#endif
#if MR >= 12
INSTANCES(7) INSTANCES(8) INSTANCES(9) INSTANCES(10) INSTANCES(11) INSTANCES(12)
#endif

/* Indexed by rows, and by 1 if more than VL columns are needed. */
static const dit__ukernel FN(ukernels)[MR + 1][2] = {
    BOTH(1), BOTH(2),
#if MR >= 6
    BOTH(3), BOTH(4), BOTH(5), BOTH(6),
#endif
#if MR >= 12
    BOTH(7), BOTH(8), BOTH(9), BOTH(10), BOTH(11), BOTH(12),
#endif
};
/* clang-format on */
#undef INSTANCES
#undef BOTH

/* ---- Tiles ---- */

/* Returns where the sums of row m and of the panel at column n are kept between blocks of k. */
static FORCE_INLINE TARGET float *FN(partial_sums)(const dit__gemm *p, int32_t m, int32_t n) {
  return p->partial + (n / NR * p->partial_rows + m) * NR;
}

/* Stores a tile after the last block of k: adds the sums of earlier blocks unless this is the first, then the
 * epilogue. */
static FORCE_INLINE TARGET void FN(store_tile)(const dit__gemm *p, const int epilogue, const float *tile, int32_t m,
                                               int32_t rows, int32_t n, int32_t first) {
  for (int32_t r = 0; r < rows; r++) {
    const float *partial = first ? tile : FN(partial_sums)(p, m + r, n);
    float *out = p->out + (m + r) * p->out_stride + n;
    UNROLL
    for (int v = 0; v < NV; v++) {
      VF value = V_LOAD(tile + r * NR + v * VL);
      if (!first) value = V_ADD(V_LOAD(partial + v * VL), value);
      V_STORE(out + v * VL, FN(epilogue)(p, epilogue, m + r, n + v * VL, VL, value));
    }
  }
}

/* Does the same at the right edge of out, where the tile has only `columns`. */
static TARGET void FN(store_edge)(const dit__gemm *p, const float *tile, int32_t m, int32_t rows, int32_t n,
                                  int32_t columns, int32_t first) {
  for (int32_t r = 0; r < rows; r++)
    for (int32_t j = 0; j < columns; j += VL) {
      const int32_t count = min32(columns - j, VL);
      VF value = V_LOAD(tile + r * NR + j);
      if (!first) value = V_ADD(V_LOAD(FN(partial_sums)(p, m + r, n) + j), value);
      value = FN(epilogue)(p, p->epilogue, m + r, n + j, count, value);
      FN(store_count)(p->out + (m + r) * p->out_stride + n + j, value, count);
    }
}

/* Multiplies rows m..m+rows-1, which are packed, with the panel at column n, over block k0..k0+length-1. */
static TARGET void FN(multiply_tile)(const dit__gemm *p, int32_t k0, int32_t length, int32_t n, const float *packed,
                                     int32_t m, int32_t rows, const float *prefetch) {
  const int32_t k = p->taps * p->channels, columns = min32(p->columns - n, NR);
  const int32_t first = k0 == 0;
  const dit__ukernel ukernel = FN(ukernels)[rows][columns > VL];
  const float *b = p->panels + (ptrdiff_t)n * k + (ptrdiff_t)k0 * NR;
  if (k0 + length < k) {
    ukernel(packed, length, b, FN(partial_sums)(p, m, n), NR, !first, prefetch);
    return;
  }
  float tile[MR * NR];
  ukernel(packed, length, b, tile, NR, 0, prefetch);
  if (columns < NR)
    FN(store_edge)(p, tile, m, rows, n, columns, first);
  else if (p->epilogue == DIT__EPILOGUE_STORE)
    FN(store_tile)(p, DIT__EPILOGUE_STORE, tile, m, rows, n, first);
  else if (p->epilogue == DIT__EPILOGUE_GELU)
    FN(store_tile)(p, DIT__EPILOGUE_GELU, tile, m, rows, n, first);
  else if (p->epilogue == DIT__EPILOGUE_RESIDUAL)
    FN(store_tile)(p, DIT__EPILOGUE_RESIDUAL, tile, m, rows, n, first);
  else if (p->epilogue == DIT__EPILOGUE_GATED)
    FN(store_tile)(p, DIT__EPILOGUE_GATED, tile, m, rows, n, first);
  else if (p->epilogue == DIT__EPILOGUE_SILU)
    FN(store_tile)(p, DIT__EPILOGUE_SILU, tile, m, rows, n, first);
  else
    FN(store_tile)(p, DIT__EPILOGUE_PRODUCT, tile, m, rows, n, first);
}

/* ---- The loops around them ---- */

/* Multiplies block k0..k0+length-1 of some packed rows with all panels: a panel's block stays in L1 while the row
 * panels come from L2, and the next panel's block is prefetched. */
static TARGET void FN(multiply_block)(const dit__gemm *p, const dit__row_panels *s, int32_t k0, int32_t length,
                                      const float *packed, dit__prefetch_cursor *cursor) {
  const int32_t k = p->taps * p->channels, panels = (p->columns + NR - 1) / NR, step = length * NR / s->count;
  for (int32_t n = 0; n < panels; n++) {
    const float *next = p->panels + ((ptrdiff_t)(n + (n + 1 < panels)) * k + k0) * NR;
    for (int32_t i = 0; i < s->count; i++) {
      const float *row_panel = packed + i * length * MR;
      FN(prefetch_step)(cursor);
      FN(multiply_tile)(p, k0, length, n * NR, row_panel, s->row[i], s->rows[i], next + i * step);
    }
  }
}

/* Returns what is packed next: the next block of the same rows, or the first block of the rows behind them. */
static TARGET dit__prefetch FN(next_rows)(const dit__gemm *p, const dit__row_panels *s, int32_t k0, int32_t end) {
  const int32_t k = p->channels, more = k0 + DIT__KC < k, next = more ? k0 + DIT__KC : 0;
  const int32_t m = more ? s->row[0] : s->end, width = min32(k - next, DIT__KC);
  int32_t rows = p->taps > 1 ? 0 : more ? s->end - m : end - m; /* rows of convolutions lie in a nearer cache already */
  if (rows > DIT__MAX_ROW_PANELS * MR) rows = DIT__MAX_ROW_PANELS * MR;
  const dit__prefetch range = {(const uint8_t *)(p->a + m * p->row_stride + next), p->row_stride * 4, width * 4, rows};
  return range;
}

/* Implements dit__kernels.gemm. */
static TARGET void FN(gemm_f32)(const dit__gemm *p, int32_t first, int32_t count, float *scratch) {
  const int32_t k = p->taps * p->channels, end = first + count, panels = (p->columns + NR - 1) / NR;
  const int32_t blocks = (k + DIT__KC - 1) / DIT__KC;
  dit__prefetch_cursor next = prefetch_begin(p->next, (int64_t)panels * blocks * ((count + MR - 1) / MR));
  const float *packed = p->packed;
  for (int32_t m = first; m < end;) {
    const dit__row_panels s = FN(split_rows)(p, m, end);
    for (int32_t k0 = 0; k0 < k; k0 += DIT__KC) {
      const int32_t length = min32(k - k0, DIT__KC);
      if (packed) {
        FN(multiply_block)(p, &s, k0, length, packed, &next);
        packed += s.count * MR * length + DIT__MAX_NR;
      } else {
        dit__prefetch_cursor rows = prefetch_begin(FN(next_rows)(p, &s, k0, end), (int64_t)panels * s.count);
        FN(pack_row_panels)(p, &s, k0, length, scratch);
        FN(multiply_block)(p, &s, k0, length, scratch, &rows);
      }
    }
    m = s.end;
  }
}
