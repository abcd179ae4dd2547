/* Every f32 kernel, written once over a vector layer. An instruction set's file defines the layer and includes this:
 *
 *   LAYER(name)      name with the instruction set's suffix
 *   TARGET           attribute of its functions
 *   VL, NV, MR       floats of a vector; vectors of a panel; rows of a tile
 *   vf and v_*       f32 vectors; vd and d_*: the same number of doubles
 *
 * What the results are is defined by docs/numerics.md; how the loops are cut is free. No include guard: see above. */

#include "lib/kernels/vec_math.h"

#define NR (NV * VL)

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

/* packed[k][r] = a[r][k] for `rows` rows of `length`; up to VL numbers behind the last may be overwritten. */
static TARGET void LAYER(pack_stretch)(const float *a, ptrdiff_t row_stride, int32_t rows, int32_t length,
                                       float *packed) {
  int32_t k = 0;
#if VL > 1
  for (; k + VL <= length; k += VL)
    for (int32_t r0 = 0; r0 < rows; r0 += VL) {
      vf square[VL];
      UNROLL
      for (int r = 0; r < VL; r++)
        if (r < MR) { /* rows behind these are read next; each is a short stretch */
          v_prefetch(a + (rows + r0 + r) * row_stride + k);
          square[r] = r0 + r < rows ? v_load(a + (r0 + r) * row_stride + k) : v_zero();
        } else {
          square[r] = v_zero();
        }
      v_turn(square);
      UNROLL
      for (int i = 0; i < VL; i++) v_store(packed + (k + i) * MR + r0, square[i]);
    }
#endif
  for (; k < length; k++)
    for (int32_t r = 0; r < rows; r++) packed[k * MR + r] = a[r * row_stride + k];
}

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

/* Numbers k0..k0+length-1 of rows that begin at `a`, [k][MR]. */
static TARGET void LAYER(pack_rows)(const dit__gemm *p, const float *a, int32_t rows, int32_t k0, int32_t length,
                                    float *packed) {
  for (int32_t k = k0; k < k0 + length;) {
    const int32_t tap = k / p->channels, at = k % p->channels;
    const int32_t count = p->channels - at < k0 + length - k ? p->channels - at : k0 + length - k;
    LAYER(pack_stretch)(a + p->tap_offset[tap] + at, p->row_stride, rows, count, packed + (k - k0) * MR);
    k += count;
  }
}

/* Cuts rows m..end-1 into up to DIT__SLIVERS slivers, which stay in their line; the last ones of a line share evenly.
 */
static TARGET dit__slivers LAYER(cut_slivers)(const dit__gemm *p, int32_t m, int32_t end) {
  dit__slivers s;
  int32_t at = m % p->line;
  s.count = 0;
  while (m < end && s.count < DIT__SLIVERS) {
    const int32_t left = p->line - at < end - m ? p->line - at : end - m, slivers = (left + MR - 1) / MR;
    s.row[s.count] = m;
    s.rows[s.count] = (left + slivers - 1) / slivers;
    m += s.rows[s.count];
    at += s.rows[s.count++];
    if (at == p->line) at = 0;
  }
  s.end = m;
  return s;
}

/* Packs block k0..k0+length-1 of these rows. */
static TARGET void LAYER(pack_slivers)(const dit__gemm *p, const dit__slivers *s, int32_t k0, int32_t length,
                                       float *packed) {
  for (int32_t i = 0; i < s->count; i++) {
    const int32_t line = s->row[i] / p->line, at = s->row[i] % p->line;
    LAYER(pack_rows)
    (p, p->a + line * p->line_stride + at * p->row_stride, s->rows[i], k0, length, packed + i * length * MR);
  }
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

static TARGET void LAYER(pack_all_rows)(const dit__gemm *p, int32_t part, int32_t parts) {
  const int32_t k = p->taps * p->channels;
  float *packed = p->packed;
  for (int32_t m = 0, block = 0; m < p->line;) {
    const dit__slivers s = LAYER(cut_slivers)(p, m, p->line);
    for (int32_t k0 = 0; k0 < k; k0 += DIT__KC, block++) {
      const int32_t length = k - k0 < DIT__KC ? k - k0 : DIT__KC;
      if (block % parts == part) LAYER(pack_slivers)(p, &s, k0, length, packed);
      packed += s.count * MR * length + DIT__MAX_NR;
    }
    m = s.end;
  }
}

/* ---- Packing ---- */

static TARGET void LAYER(convert)(int32_t type, const uint8_t *x, int64_t count, float scale, float *out) {
  const vf factor = v_set(scale);
  int64_t i = 0;
  for (; i + VL <= count; i += VL) v_store(out + i, LAYER(load_as)(type, x, i, factor));
  for (; i < count; i++) out[i] = dit__load_one(type, x, i, scale);
}

/* One panel of a matrix: squares of VL x VL are turned. */
static inline INLINE TARGET void LAYER(pack_panel)(const int32_t type, const dit__weights *w, int32_t n, int32_t rows,
                                                   float *panel) {
  const size_t size = dit__type_size(type);
  for (int32_t v = 0; v < NR; v += VL) {
    int32_t k = 0;
    for (; k + VL <= w->k && v + VL <= rows; k += VL) {
      vf square[VL];
      UNROLL
      for (int j = 0; j < VL; j++) {
        const uint8_t *row = w->data + (size_t)(n + v + j) * (size_t)w->stride * size;
        v_prefetch(row + ((size_t)k + 128) * size);
        square[j] = LAYER(load_as)(type, row, k, w->scale ? v_set(w->scale[n + v + j]) : v_zero());
      }
      v_turn(square);
      UNROLL
      for (int j = 0; j < VL; j++) v_store(panel + (size_t)(k + j) * NR + v, square[j]);
    }
    for (int32_t j = v; j < v + VL; j++) {
      const uint8_t *row = w->data + (size_t)(n + j) * (size_t)w->stride * size;
      for (int32_t i = k; i < w->k; i++)
        panel[(size_t)i * NR + j] = j < rows ? dit__load_one(type, row, i, w->scale ? w->scale[n + j] : 0) : 0;
    }
  }
}

/* Rows n.. of a convolution's weights, channels c..: [NR][DIT__TAPS_CHUNK][tap], zeros behind the last row. */
static TARGET void LAYER(load_taps)(const dit__weights *w, int32_t n, int32_t rows, int32_t c, int32_t count,
                                    float (*block)[DIT__TAPS_CHUNK * DIT__TAPS]) {
  const size_t size = dit__type_size(w->type);
  for (int32_t j = 0; j < NR; j++) {
    const uint8_t *row = w->data + ((size_t)(n + j) * (size_t)w->stride + (size_t)c * (size_t)w->taps) * size;
    if (j < rows)
      LAYER(convert)(w->type, row, (int64_t)count * w->taps, w->scale ? w->scale[n + j] : 0, block[j]);
    else
      for (int32_t i = 0; i < count * w->taps; i++) block[j][i] = 0;
  }
}

/* One panel of a convolution: [row][channel][tap] becomes [tap][channel][row]. */
static TARGET void LAYER(pack_taps)(const dit__weights *w, int32_t n, int32_t rows, float *panel) {
  float block[NR][DIT__TAPS_CHUNK * DIT__TAPS];
  const int32_t channels = w->k / w->taps;
  for (int32_t c = 0; c < channels; c += DIT__TAPS_CHUNK) {
    const int32_t count = channels - c < DIT__TAPS_CHUNK ? channels - c : DIT__TAPS_CHUNK;
    LAYER(load_taps)(w, n, rows, c, count, block);
    for (int32_t t = 0; t < w->taps; t++)
      for (int32_t i = 0; i < count; i++) {
        float *to = panel + ((size_t)t * (size_t)channels + (size_t)(c + i)) * NR;
        for (int32_t j = 0; j < NR; j++) to[j] = block[j][i * w->taps + t];
      }
  }
}

static TARGET void LAYER(pack)(const dit__weights *w, int32_t first, int32_t count, float *panels) {
  for (int32_t n = 0; n < count; n += NR, panels += (size_t)w->k * NR) {
    const int32_t rows = count - n < NR ? count - n : NR;
    if (w->taps > 1)
      LAYER(pack_taps)(w, first + n, rows, panels);
    else if (w->type == DIT__F32)
      LAYER(pack_panel)(DIT__F32, w, first + n, rows, panels);
    else if (w->type == DIT__F16)
      LAYER(pack_panel)(DIT__F16, w, first + n, rows, panels);
    else if (w->type == DIT__BF16)
      LAYER(pack_panel)(DIT__BF16, w, first + n, rows, panels);
    else
      LAYER(pack_panel)(DIT__I8, w, first + n, rows, panels);
  }
}

static TARGET void LAYER(pack_columns)(const float *b, ptrdiff_t stride, int32_t k, int32_t columns, float *panels) {
  for (int32_t n = 0; n < columns; n += NR)
    for (int32_t i = 0; i < k; i++, panels += NR)
      for (int32_t v = 0; v < NR; v += VL) {
        const int32_t left = columns - n - v;
        const float *from = b + i * stride + n + v;
        v_store(panels + v, left >= VL ? v_load(from) : left > 0 ? v_load_part(from, left) : v_zero());
      }
}

/* ---- Attention ---- */

/* Softmax numerators of a row of logits for one block of keys: p = exp(s - m) in place, zeros up to a multiple of 16.
 * Updates the running maximum and sum; returns what the sums so far are multiplied by. */
static TARGET float LAYER(softmax_block)(float *s, int32_t keys, int32_t first, float *running_max,
                                         float *running_sum) {
  float top = s[0], factor = 0;
  if (keys >= VL) {
    vf tops = v_load(s);
    for (int32_t j = VL; j + VL <= keys; j += VL) tops = v_max(tops, v_load(s + j));
    float lane[VL];
    v_store(lane, tops);
    for (int i = 0; i < VL; i++) top = lane[i] > top ? lane[i] : top;
  }
  for (int32_t j = keys / VL * VL; j < keys; j++) top = s[j] > top ? s[j] : top;
  if (!first && *running_max > top) top = *running_max;
  if (!first) {
    float lane[VL];
    v_store(lane, LAYER(v_exp)(v_set(*running_max - top)));
    factor = lane[0];
  }
  const int32_t padded = (keys + 15) / 16 * 16;
  vf chain[16 / VL];
  for (int v = 0; v < 16 / VL; v++) chain[v] = v_zero();
  for (int32_t j = keys; j < padded; j++) s[j] = top - 200.0f;
  for (int32_t j = 0; j < padded; j += 16)
    for (int v = 0; v < 16 / VL; v++) {
      vf e = LAYER(v_exp)(v_sub(v_load(s + j + v * VL), v_set(top)));
      v_store(s + j + v * VL, e);
      if (j + 16 <= keys) chain[v] = v_add(chain[v], e);
    }
  if (keys < padded) {
    for (int32_t j = keys; j < padded; j++) s[j] = 0;
    for (int v = 0; v < 16 / VL; v++) chain[v] = v_add(chain[v], v_load(s + padded - 16 + v * VL));
  }
  const float sum = LAYER(tree)(chain);
  *running_sum = first ? sum : dit__fmaf(*running_sum, factor, sum);
  *running_max = top;
  return factor;
}

/* Logits of `rows` queries, packed in slivers of MR, against keys k0..k0+keys-1. */
static TARGET void LAYER(logits)(const dit__attention *a, const float *q, int32_t rows, int32_t k0, int32_t keys,
                                 float *s) {
  for (int32_t r = 0; r < rows; r += MR) {
    const int32_t count = rows - r < MR ? rows - r : MR;
    for (int32_t n = 0; n < keys; n += NR) {
      const float *panel = a->keys + (size_t)(k0 + n) * (size_t)a->dim;
      for (int32_t d = 0; d < a->dim; d += DIT__KC) LAYER(tiles)
      [count][1](q + (size_t)r * (size_t)a->dim + d * MR, a->dim - d < DIT__KC ? a->dim - d : DIT__KC,
                 panel + (size_t)d * NR, s + r * DIT__KC + n, DIT__KC, d > 0, panel);
    }
  }
}

/* sums = sums * factor + p * values over one block of keys (without the first term for the first block). */
static TARGET void LAYER(mix_values)(const dit__attention *a, const float *p, int32_t rows, int32_t k0, int32_t keys,
                                     const float *factor, float *sums, int32_t width) {
  float packed[MR * DIT__KC + VL];
  for (int32_t r = 0; r < rows; r += MR) {
    const int32_t count = rows - r < MR ? rows - r : MR;
    LAYER(pack_stretch)(p + r * DIT__KC, DIT__KC, count, keys, packed);
    for (int32_t n = 0; n < a->dim; n += NR) {
      const float *panel = a->values + (size_t)n * (size_t)a->tokens + (size_t)k0 * NR;
      float tile[MR * NR];
      LAYER(tiles)[count][a->dim - n > VL](packed, keys, panel, tile, NR, 0, panel);
      for (int32_t i = 0; i < count; i++)
        for (int v = 0; v < NR && n + v < a->dim; v += VL) {
          float *to = sums + (r + i) * width + n + v;
          vf value = v_load(tile + i * NR + v);
          v_store(to, k0 ? v_fma(v_load(to), v_set(factor[r + i]), value) : value);
        }
    }
  }
}

/* The queries times the factor of the logits, [k][MR], sliver after sliver. */
static TARGET void LAYER(pack_queries)(const dit__attention *a, int32_t first, int32_t rows, float *q) {
  for (int32_t r = 0; r < rows; r += MR) {
    const int32_t count = rows - r < MR ? rows - r : MR;
    float *to = q + (size_t)r * (size_t)a->dim;
    LAYER(pack_stretch)(a->q + (first + r) * a->q_stride, a->q_stride, count, a->dim, to);
    for (int32_t i = 0; i < a->dim * MR; i += VL) v_store(to + i, v_mul(v_load(to + i), v_set(a->scale)));
  }
}

static TARGET void LAYER(attention)(const dit__attention *a, int32_t first, int32_t count, float *scratch) {
  const int32_t width = (a->dim + DIT__MAX_NR - 1) / DIT__MAX_NR * DIT__MAX_NR;
  float *q = scratch, *s = q + (DIT__QUERIES + 1) * width, *sums = s + DIT__QUERIES * DIT__KC;
  for (int32_t q0 = first; q0 < first + count; q0 += DIT__QUERIES) {
    const int32_t rows = first + count - q0 < DIT__QUERIES ? first + count - q0 : DIT__QUERIES;
    float top[DIT__QUERIES], total[DIT__QUERIES], factor[DIT__QUERIES];
    LAYER(pack_queries)(a, q0, rows, q);
    for (int32_t k0 = 0; k0 < a->tokens; k0 += DIT__KC) {
      const int32_t keys = a->tokens - k0 < DIT__KC ? a->tokens - k0 : DIT__KC;
      LAYER(logits)(a, q, rows, k0, keys, s);
      for (int32_t r = 0; r < rows; r++)
        factor[r] = LAYER(softmax_block)(s + r * DIT__KC, keys, k0 == 0, &top[r], &total[r]);
      LAYER(mix_values)(a, s, rows, k0, keys, factor, sums, width);
    }
    for (int32_t r = 0; r < rows; r++) {
      float *out = a->out + (q0 + r) * a->out_stride;
      for (int32_t d = 0; d < a->dim; d += VL) {
        vf value = v_div(v_load(sums + r * width + d), v_set(total[r]));
        if (a->dim - d >= VL)
          v_store(out + d, value);
        else
          v_store_part(out + d, value, a->dim - d);
      }
    }
  }
}

/* ---- Rows ---- */

static TARGET void LAYER(norm_modulate)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, float eps,
                                        const float *shift, const float *scale, float *out, ptrdiff_t out_stride) {
  for (int32_t r = 0; r < rows; r++, x += x_stride, out += out_stride) {
    vf chain[16 / VL];
    for (int v = 0; v < 16 / VL; v++) chain[v] = v_zero();
    for (int32_t i = 0; i < width; i += 16)
      for (int v = 0; v < 16 / VL; v++) chain[v] = v_add(chain[v], LAYER(part)(x, i + v * VL, width));
    const float mean = LAYER(tree)(chain) / (float)width;
    for (int v = 0; v < 16 / VL; v++) chain[v] = v_zero();
    for (int32_t i = 0; i < width; i += 16)
      for (int v = 0; v < 16 / VL; v++) {
        vf d = v_sub(LAYER(part)(x, i + v * VL, width), v_set(mean));
        if (i + (v + 1) * VL > width) { /* nothing lies behind the row */
          float rest[VL];
          v_store(rest, d);
          d = width - i - v * VL > 0 ? v_load_part(rest, width - i - v * VL) : v_zero();
        }
        chain[v] = v_fma(d, d, chain[v]);
      }
    const float variance = LAYER(tree)(chain) / (float)width;
    const float factor = 1.0f / dit__sqrtf(variance + eps);
    for (int32_t i = 0; i < width; i += VL) {
      vf y = v_mul(v_sub(LAYER(part)(x, i, width), v_set(mean)), v_set(factor));
      y = v_fma(y, v_add(v_set(1.0f), LAYER(part)(scale, i, width)), LAYER(part)(shift, i, width));
      if (width - i >= VL)
        v_store(out + i, y);
      else
        v_store_part(out + i, y, width - i);
    }
  }
}

static TARGET void LAYER(silu)(const float *x, int64_t count, float *out) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) v_store(out + i, LAYER(v_silu)(v_load(x + i)));
  if (i < count) v_store_part(out + i, LAYER(v_silu)(v_load_part(x + i, (int32_t)(count - i))), (int32_t)(count - i));
}

static TARGET void LAYER(affine)(const float *x, ptrdiff_t x_step, int32_t pixels, int32_t channels, const float *scale,
                                 const float *shift, int32_t silu, float *out) {
  for (int32_t p = 0; p < pixels; p++, x += x_step, out += channels)
    for (int32_t i = 0; i < channels; i += VL) {
      vf y = v_fma(LAYER(part)(x, i, channels), LAYER(part)(scale, i, channels), LAYER(part)(shift, i, channels));
      if (silu) y = LAYER(v_silu)(y);
      if (channels - i >= VL)
        v_store(out + i, y);
      else
        v_store_part(out + i, y, channels - i);
    }
}

static TARGET void LAYER(channel_sums)(const float *x, int32_t pixels, int32_t channels, double *sum, double *squares) {
  int32_t i = 0;
  for (; i + VL <= channels; i += VL) {
    vd s = d_zero(), q = d_zero();
    for (int32_t p = 0; p < pixels; p++) {
      vd value = d_widen(v_load(x + (ptrdiff_t)p * channels + i));
      s = d_add(s, value);
      q = d_add(q, d_mul(value, value));
    }
    d_store(sum + i, s);
    d_store(squares + i, q);
  }
  for (; i < channels; i++) {
    sum[i] = squares[i] = 0;
    for (int32_t p = 0; p < pixels; p++) {
      const double value = x[(ptrdiff_t)p * channels + i];
      sum[i] += value;
      squares[i] += value * value;
    }
  }
}

#include "lib/kernels/winograd.h"

/* ---- The table ---- */

static void LAYER(fill)(dit__kernels *table) {
  table->nr = NR;
  table->pack = LAYER(pack);
  table->pack_columns = LAYER(pack_columns);
  table->winograd_filter = LAYER(winograd_filter);
  table->winograd_input = LAYER(winograd_input);
  table->winograd_output = LAYER(winograd);
  table->pack_rows = LAYER(pack_all_rows);
  table->gemm = LAYER(product);
  table->attention = LAYER(attention);
  table->norm_modulate = LAYER(norm_modulate);
  table->silu = LAYER(silu);
  table->affine = LAYER(affine);
  table->channel_sums = LAYER(channel_sums);
  table->convert = LAYER(convert);
}
