/* Packing: rows of activations into row panels, weights and the values of attention into panels, and the conversion of
 * stored types to f32. kernels.h shows both kinds of panels. Part of template_f32.h. */

/* ---- Rows of activations ---- */

/* Transposes `rows` rows of `length` numbers: packed[k][r] = a[r][k], with MR numbers for each k. Up to VL numbers
 * behind the last may be overwritten. On the way it prefetches the rows behind these, which are packed next. */
static TARGET void FN(transpose_rows)(const float *a, ptrdiff_t row_stride, int32_t rows, int32_t length,
                                      float *packed) {
  int32_t k = 0;
#if VL > 1
  for (; k + VL <= length; k += VL)
    for (int32_t r0 = 0; r0 < rows; r0 += VL) {
      VF square[VL];
      UNROLL
      for (int r = 0; r < VL; r++)
        if (r < MR) {
          V_PREFETCH_L1(a + (rows + r0 + r) * row_stride + k);
          square[r] = r0 + r < rows ? V_LOAD(a + (r0 + r) * row_stride + k) : V_ZERO();
        } else {
          square[r] = V_ZERO();
        }
      V_TRANSPOSE(square);
      UNROLL
      for (int i = 0; i < VL; i++) V_STORE(packed + (k + i) * MR + r0, square[i]);
    }
#endif
  for (; k < length; k++)
    for (int32_t r = 0; r < rows; r++) packed[k * MR + r] = a[r * row_stride + k];
}

/* Packs block k0..k0+length-1 of `rows` rows, the first of which begins at `a`, tap by tap. */
static TARGET void FN(pack_row_panel)(const dit__gemm *p, const float *a, int32_t rows, int32_t k0, int32_t length,
                                      float *packed) {
  for (int32_t k = k0; k < k0 + length;) {
    const int32_t tap = k / p->channels, channel = k % p->channels;
    const int32_t count = min32(p->channels - channel, k0 + length - k);
    const float *from = a + p->tap_offset[tap] + channel;
    FN(transpose_rows)(from, p->row_stride, rows, count, packed + (k - k0) * MR);
    k += count;
  }
}

/* Divides rows m..end-1 into row panels, as many as are packed together. A row panel stays within one line of p->a; the
 * last ones of a line have about equally many rows. */
static TARGET dit__row_panels FN(split_rows)(const dit__gemm *p, int32_t m, int32_t end) {
  dit__row_panels s;
  int32_t at = m % p->line;
  s.count = 0;
  while (m < end && s.count < DIT__MAX_ROW_PANELS) {
    const int32_t left = min32(p->line - at, end - m), panels = (left + MR - 1) / MR;
    s.row[s.count] = m;
    s.rows[s.count] = (left + panels - 1) / panels;
    m += s.rows[s.count];
    at += s.rows[s.count++];
    if (at == p->line) at = 0;
  }
  s.end = m;
  return s;
}

/* Packs block k0..k0+length-1 of these rows, one row panel after the other. */
static TARGET void FN(pack_row_panels)(const dit__gemm *p, const dit__row_panels *s, int32_t k0, int32_t length,
                                       float *packed) {
  for (int32_t i = 0; i < s->count; i++, packed += length * MR) {
    const int32_t line = s->row[i] / p->line, at = s->row[i] % p->line;
    const float *a = p->a + line * p->line_stride + at * p->row_stride;
    FN(pack_row_panel)(p, a, s->rows[i], k0, length, packed);
  }
}

/* Implements dit__kernels.pack_rows: blocks lie in the order in which gemm_f32 reads them. */
static TARGET void FN(pack_rows)(const dit__gemm *p, int32_t part, int32_t parts) {
  const int32_t k = p->taps * p->channels;
  float *packed = p->packed;
  for (int32_t m = 0, block = 0; m < p->line;) {
    const dit__row_panels s = FN(split_rows)(p, m, p->line);
    for (int32_t k0 = 0; k0 < k; k0 += DIT__KC, block++) {
      const int32_t length = min32(k - k0, DIT__KC);
      if (block % parts == part) FN(pack_row_panels)(p, &s, k0, length, packed);
      packed += s.count * MR * length + DIT__MAX_NR;
    }
    m = s.end;
  }
}

/* ---- Weights ---- */

/* Implements dit__kernels.convert. */
static TARGET void FN(convert)(int32_t type, const uint8_t *x, int64_t count, float scale, float *out) {
  const VF factor = V_SET(scale);
  int64_t i = 0;
  for (; i + VL <= count; i += VL) V_STORE(out + i, FN(load_typed)(type, x, i, factor));
  for (; i < count; i++) out[i] = f32_load(type, x, i, scale);
}

/* Packs one panel of a matrix, rows n..n+rows-1: squares of VL x VL are transposed. */
static FORCE_INLINE TARGET void FN(pack_panel)(const int32_t type, const dit__weights *w, int32_t n, int32_t rows,
                                               float *panel) {
  const size_t size = dit__type_size(type);
  for (int32_t v = 0; v < NR; v += VL) {
    int32_t k = 0;
    for (; k + VL <= w->k && v + VL <= rows; k += VL) {
      VF square[VL];
      UNROLL
      for (int j = 0; j < VL; j++) {
        const uint8_t *row = w->data + (size_t)(n + v + j) * (size_t)w->stride * size;
        V_PREFETCH_L1(row + ((size_t)k + 128) * size);
        square[j] = FN(load_typed)(type, row, k, w->scale ? V_SET(w->scale[n + v + j]) : V_ZERO());
      }
      V_TRANSPOSE(square);
      UNROLL
      for (int j = 0; j < VL; j++) V_STORE(panel + (size_t)(k + j) * NR + v, square[j]);
    }
    for (int32_t j = v; j < v + VL; j++) {
      const uint8_t *row = w->data + (size_t)(n + j) * (size_t)w->stride * size;
      for (int32_t i = k; i < w->k; i++)
        panel[(size_t)i * NR + j] = j < rows ? f32_load(type, row, i, w->scale ? w->scale[n + j] : 0) : 0;
    }
  }
}

/* Loads channels c..c+count-1 of rows n..n+rows-1 of a convolution's weights as block[row][channel][tap], with zeros
 * behind the last row. */
static TARGET void FN(load_filters)(const dit__weights *w, int32_t n, int32_t rows, int32_t c, int32_t count,
                                    float (*block)[DIT__TAPS_CHUNK * DIT__TAPS]) {
  const size_t size = dit__type_size(w->type);
  for (int32_t j = 0; j < NR; j++) {
    const uint8_t *row = w->data + ((size_t)(n + j) * (size_t)w->stride + (size_t)c * (size_t)w->taps) * size;
    if (j < rows)
      FN(convert)(w->type, row, (int64_t)count * w->taps, w->scale ? w->scale[n + j] : 0, block[j]);
    else
      for (int32_t i = 0; i < count * w->taps; i++) block[j][i] = 0;
  }
}

/* Packs one panel of a convolution, rows n..n+rows-1: [row][channel][tap] becomes [tap][channel][row]. */
static TARGET void FN(pack_conv_panel)(const dit__weights *w, int32_t n, int32_t rows, float *panel) {
  float block[NR][DIT__TAPS_CHUNK * DIT__TAPS];
  const int32_t channels = w->k / w->taps;
  for (int32_t c = 0; c < channels; c += DIT__TAPS_CHUNK) {
    const int32_t count = min32(channels - c, DIT__TAPS_CHUNK);
    FN(load_filters)(w, n, rows, c, count, block);
    for (int32_t t = 0; t < w->taps; t++)
      for (int32_t i = 0; i < count; i++) {
        float *to = panel + ((size_t)t * (size_t)channels + (size_t)(c + i)) * NR;
        for (int32_t j = 0; j < NR; j++) to[j] = block[j][i * w->taps + t];
      }
  }
}

/* Implements dit__kernels.pack. */
static TARGET void FN(pack_weights)(const dit__weights *w, int32_t first, int32_t count, float *panels) {
  for (int32_t n = 0; n < count; n += NR, panels += (size_t)w->k * NR) {
    const int32_t rows = min32(count - n, NR);
    if (w->taps > 1)
      FN(pack_conv_panel)(w, first + n, rows, panels);
    else if (w->type == DIT__F32)
      FN(pack_panel)(DIT__F32, w, first + n, rows, panels);
    else if (w->type == DIT__F16)
      FN(pack_panel)(DIT__F16, w, first + n, rows, panels);
    else if (w->type == DIT__BF16)
      FN(pack_panel)(DIT__BF16, w, first + n, rows, panels);
    else
      FN(pack_panel)(DIT__I8, w, first + n, rows, panels);
  }
}

/* ---- The values of attention ---- */

/* Implements dit__kernels.pack_columns. */
static TARGET void FN(pack_columns)(const float *b, ptrdiff_t stride, int32_t k, int32_t columns, float *panels) {
  for (int32_t n = 0; n < columns; n += NR)
    for (int32_t i = 0; i < k; i++, panels += NR)
      for (int32_t v = 0; v < NR; v += VL) V_STORE(panels + v, FN(load_clipped)(b + i * stride, n + v, columns));
}
