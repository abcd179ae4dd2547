/* Functions over a vector layer that kernels of several templates share: elementary functions, reductions, what becomes
 * of a sum. No include guard: each instruction set has its own. */

static inline INLINE TARGET void LAYER(fetch)(dit__prefetch_cursor *f) {
  for (int64_t i = 0; i < f->step && f->left.rows > 0; i++) {
    v_prefetch_far(f->left.row + f->at);
    f->at += 64;
    if (f->at < f->left.width) continue;
    f->at = 0;
    f->left.row += f->left.stride;
    f->left.rows--;
  }
}

/* ---- Elementary functions ---- */

/* exp(x) for x cut to [-87, 88]: x = n ln 2 + r, a polynomial of degree 6 in r, times 2^n. */
static inline TARGET vf LAYER(v_exp)(vf x) {
  x = v_min(v_max(x, v_set(-87.0f)), v_set(88.0f));
  vf t = v_fma(x, v_set(0x1.715476p+0f), v_set(0x1.8p+23f));
  vf n = v_sub(t, v_set(0x1.8p+23f));
  vf r = v_fma(n, v_set(-0x1.62e4p-1f), x);
  r = v_fma(n, v_set(-0x1.7f7d1cp-20f), r);
  vf p = v_set(0x1.6a9952p-10f);
  p = v_fma(p, r, v_set(0x1.120c32p-7f));
  p = v_fma(p, r, v_set(0x1.5558fap-5f));
  p = v_fma(p, r, v_set(0x1.555410p-3f));
  p = v_fma(p, r, v_set(0x1.fffffcp-2f));
  p = v_fma(p, r, v_set(1.0f));
  p = v_fma(p, r, v_set(1.0f));
  return v_scale(p, t);
}

static inline TARGET vf LAYER(v_silu)(vf x) {
  vf e = LAYER(v_exp)(v_sub(v_set(0.0f), x));
  return v_div(x, v_add(v_set(1.0f), e));
}

/* 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016). */
static inline TARGET vf LAYER(v_gelu)(vf x) {
  vf u = v_fma(v_mul(x, x), v_set(-0x1.2444f2p-4f), v_set(-0x1.988454p+0f));
  vf e = LAYER(v_exp)(v_mul(x, u));
  return v_div(x, v_add(v_set(1.0f), e));
}

/* The 16 partial chains of a reduction, added as a fixed tree: i and i+8, then i and i+4, i+2, i+1. */
static inline TARGET float LAYER(tree)(const vf *chain) {
  float lane[16];
  for (int i = 0; i < 16 / VL; i++) v_store(lane + i * VL, chain[i]);
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; i++) lane[i] += lane[i + half];
  return lane[0];
}

/* ---- Loading ---- */

static inline INLINE TARGET vf LAYER(part)(const float *x, int32_t i, int32_t width) {
  const int32_t left = width - i;
  return left >= VL ? v_load(x + i) : left > 0 ? v_load_part(x + i, left) : v_zero();
}

/* VL numbers of any stored type. */
static inline INLINE TARGET vf LAYER(load_as)(int32_t type, const uint8_t *x, int64_t i, vf scale) {
  switch (type) {
    case DIT__F32: return v_load_bytes(x + i * 4);
    case DIT__F16: return v_load_f16(x + i * 2);
    case DIT__BF16: return v_load_bf16(x + i * 2);
    default: return v_mul(v_load_i8(x + i), scale);
  }
}

/* ---- What follows a sum ---- */

/* What becomes of VL sums of row m, columns n..: bias and all that follows it. `finish` is a constant wherever it
 * matters; vectors come whole or, at the edge, in parts of `count`. */
static inline INLINE TARGET vf LAYER(finish)(const dit__gemm *p, const int finish, int32_t m, int32_t n, int32_t count,
                                             vf value) {
  value = v_add(value, count == VL ? v_load(p->bias + n) : v_load_part(p->bias + n, count));
  if (finish == DIT__EPILOGUE_GELU) return LAYER(v_gelu)(value);
  if (finish == DIT__EPILOGUE_STORE) return value;
  const float *x = p->residual + m * p->residual_stride + n;
  const vf old = count == VL ? v_load(x) : v_load_part(x, count);
  if (finish == DIT__EPILOGUE_RESIDUAL) return v_add(old, value);
  const float *g = p->gate + p->gate_rows[(p->first_row + m) / p->rows_per_sample] * p->gate_stride + n;
  return v_fma(count == VL ? v_load(g) : v_load_part(g, count), value, old);
}
