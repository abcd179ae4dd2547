/* What is done to rows of activations and pixels: norms, their sums, silu. No include guard: see template.h. */

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
