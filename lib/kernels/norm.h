/* What is done to single rows of activations and pixels: norms, rotation, the scale and shift of a group norm and its sums,
 * silu. Part of template_f32.h. */

/* Returns x[i..i+VL-1] - mean, with zeros from `width` on. */
static FORCE_INLINE TARGET VF FN(deviation)(const float *x, int32_t i, int32_t width, VF mean) {
  const VF d = V_SUB(FN(load_clipped)(x, i, width), mean);
  if (i + VL <= width) return d;
  float lanes[VL];
  V_STORE(lanes, d);
  return width - i > 0 ? V_LOAD_PART(lanes, width - i) : V_ZERO();
}

/* Returns the mean of a row. */
static TARGET float FN(row_mean)(const float *x, int32_t width) {
  VF partial[16 / VL];
  for (int v = 0; v < 16 / VL; v++) partial[v] = V_ZERO();
  for (int32_t i = 0; i < width; i += 16)
    for (int v = 0; v < 16 / VL; v++) partial[v] = V_ADD(partial[v], FN(load_clipped)(x, i + v * VL, width));
  return FN(tree_sum)(partial) / (float)width;
}

/* Returns the mean of the squares of x - mean. */
static TARGET float FN(row_variance)(const float *x, int32_t width, float mean) {
  VF partial[16 / VL];
  for (int v = 0; v < 16 / VL; v++) partial[v] = V_ZERO();
  for (int32_t i = 0; i < width; i += 16)
    for (int v = 0; v < 16 / VL; v++) {
      const VF d = FN(deviation)(x, i + v * VL, width, V_SET(mean));
      partial[v] = V_FMA(d, d, partial[v]);
    }
  return FN(tree_sum)(partial) / (float)width;
}

/* Implements dit__kernels.norm. */
static TARGET void FN(norm)(const dit__norm_rows *n) {
  const int32_t width = n->width;
  const float *x = n->x;
  float *out = n->out;
  for (int32_t r = 0; r < n->rows; r++, x += n->x_stride, out += n->out_stride) {
    const float mean = n->rms ? 0.0f : FN(row_mean)(x, width);
    const float factor = 1.0f / f32_sqrt(FN(row_variance)(x, width, mean) + n->eps);
    for (int32_t i = 0; i < width; i += VL) {
      const VF scale = V_ADD(V_SET(n->base), FN(load_clipped)(n->scale, i, width));
      VF y = V_MUL(V_SUB(FN(load_clipped)(x, i, width), V_SET(mean)), V_SET(factor));
      if (n->gamma) y = V_MUL(y, FN(load_clipped)(n->gamma, i, width));
      y = n->shift ? V_FMA(y, scale, FN(load_clipped)(n->shift, i, width)) : V_MUL(y, scale);
      FN(store_clipped)(out, i, width, y);
    }
  }
}

/* Implements dit__kernels.rotate. */
static TARGET void FN(rotate)(float *x, ptrdiff_t x_stride, int32_t rows, int32_t half, const float *cosine,
                              const float *sine) {
  for (int32_t r = 0; r < rows; r++, x += x_stride, cosine += half, sine += half)
    for (int32_t i = 0; i < half; i += VL) {
      const VF a = FN(load_clipped)(x, i, half), b = FN(load_clipped)(x + half, i, half);
      const VF c = FN(load_clipped)(cosine, i, half), s = FN(load_clipped)(sine, i, half);
      FN(store_clipped)(x, i, half, V_SUB(V_MUL(a, c), V_MUL(b, s)));
      FN(store_clipped)(x + half, i, half, V_ADD(V_MUL(b, c), V_MUL(a, s)));
    }
}

/* Implements dit__kernels.silu. */
static TARGET void FN(silu)(const float *x, int64_t count, float *out) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) V_STORE(out + i, FN(v_silu)(V_LOAD(x + i)));
  if (i == count) return;
  const int32_t left = (int32_t)(count - i);
  V_STORE_PART(out + i, FN(v_silu)(V_LOAD_PART(x + i, left)), left);
}

/* Implements dit__kernels.affine. */
static TARGET void FN(affine)(const float *x, ptrdiff_t x_step, int32_t pixels, int32_t channels, const float *scale,
                              const float *shift, int32_t silu, float *out) {
  for (int32_t p = 0; p < pixels; p++, x += x_step, out += channels)
    for (int32_t i = 0; i < channels; i += VL) {
      const VF factor = FN(load_clipped)(scale, i, channels), summand = FN(load_clipped)(shift, i, channels);
      VF y = V_FMA(FN(load_clipped)(x, i, channels), factor, summand);
      if (silu) y = FN(v_silu)(y);
      FN(store_clipped)(out, i, channels, y);
    }
}

/* Implements dit__kernels.channel_sums. */
static TARGET void FN(channel_sums)(const float *x, int32_t pixels, int32_t channels, double *sum, double *squares) {
  int32_t i = 0;
  for (; i + VL <= channels; i += VL) {
    VD s = D_ZERO(), q = D_ZERO();
    for (int32_t p = 0; p < pixels; p++) {
      const VD value = D_WIDEN(V_LOAD(x + (ptrdiff_t)p * channels + i));
      s = D_ADD(s, value);
      q = D_ADD(q, D_MUL(value, value));
    }
    D_STORE(sum + i, s);
    D_STORE(squares + i, q);
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
