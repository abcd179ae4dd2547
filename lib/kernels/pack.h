/* Packing: rows of activations into slivers, weights and the values of attention into panels, and the conversion of
 * stored types. No include guard: see template.h. */

/* ---- Rows ---- */

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

/* ---- Weights ---- */

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
