/* What is done to single rows of activations and pixels: layer norm, the scale and shift of a group norm and its sums,
 * silu. Part of template_f32.h. */

/* Returns x[i..i+VL-1] - mean, with zeros from `width` on. */
static FORCE_INLINE TARGET VF FN(deviation)(const float *x, int32_t i, int32_t width, VF mean) {
  const VF d = V_SUB(FN(load_clipped)(x, i, width), mean);
  if (i + VL <= width) return d;
  float lanes[VL];
  V_STORE(lanes, d);
  return width - i > 0 ? V_LOAD_PART(lanes, width - i) : V_ZERO();
}

/* Implements dit__kernels.norm_modulate. */
static TARGET void FN(norm_modulate)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, float eps,
                                     const float *shift, float base, const float *scale, float *out,
                                     ptrdiff_t out_stride) {
  for (int32_t r = 0; r < rows; r++, x += x_stride, out += out_stride) {
    VF partial[16 / VL];
    for (int v = 0; v < 16 / VL; v++) partial[v] = V_ZERO();
    for (int32_t i = 0; i < width; i += 16)
      for (int v = 0; v < 16 / VL; v++) partial[v] = V_ADD(partial[v], FN(load_clipped)(x, i + v * VL, width));
    const float mean = FN(tree_sum)(partial) / (float)width;
    for (int v = 0; v < 16 / VL; v++) partial[v] = V_ZERO();
    for (int32_t i = 0; i < width; i += 16)
      for (int v = 0; v < 16 / VL; v++) {
        const VF d = FN(deviation)(x, i + v * VL, width, V_SET(mean));
        partial[v] = V_FMA(d, d, partial[v]);
      }
    const float variance = FN(tree_sum)(partial) / (float)width;
    const float factor = 1.0f / f32_sqrt(variance + eps);
    for (int32_t i = 0; i < width; i += VL) {
      VF y = V_MUL(V_SUB(FN(load_clipped)(x, i, width), V_SET(mean)), V_SET(factor));
      y = V_FMA(y, V_ADD(V_SET(base), FN(load_clipped)(scale, i, width)), FN(load_clipped)(shift, i, width));
      FN(store_clipped)(out, i, width, y);
    }
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
