/* Elementary functions and sums over the vector layer. docs/numerics.md has the definitions. Part of template.h. */

/* exp(x) for x clamped to [-87, 88]: x = n ln 2 + r, a polynomial of degree 6 in r, times 2^n. */
static inline TARGET VF FN(v_exp)(VF x) {
  x = V_MIN(V_MAX(x, V_SET(-87.0f)), V_SET(88.0f));
  const VF t = V_FMA(x, V_SET(0x1.715476p+0f), V_SET(0x1.8p+23f));
  const VF n = V_SUB(t, V_SET(0x1.8p+23f));
  VF r = V_FMA(n, V_SET(-0x1.62e4p-1f), x);
  r = V_FMA(n, V_SET(-0x1.7f7d1cp-20f), r);
  VF p = V_SET(0x1.6a9952p-10f);
  p = V_FMA(p, r, V_SET(0x1.120c32p-7f));
  p = V_FMA(p, r, V_SET(0x1.5558fap-5f));
  p = V_FMA(p, r, V_SET(0x1.555410p-3f));
  p = V_FMA(p, r, V_SET(0x1.fffffcp-2f));
  p = V_FMA(p, r, V_SET(1.0f));
  p = V_FMA(p, r, V_SET(1.0f));
  return V_LDEXP(p, t);
}

/* x / (1 + exp(-x)). */
static inline TARGET VF FN(v_silu)(VF x) {
  const VF e = FN(v_exp)(V_SUB(V_SET(0.0f), x));
  return V_DIV(x, V_ADD(V_SET(1.0f), e));
}

/* 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016). */
static inline TARGET VF FN(v_gelu)(VF x) {
  const VF u = V_FMA(V_MUL(x, x), V_SET(-0x1.2444f2p-4f), V_SET(-0x1.988454p+0f));
  const VF e = FN(v_exp)(V_MUL(x, u));
  return V_DIV(x, V_ADD(V_SET(1.0f), e));
}

/* Adds the 16 partial sums of a reduction as a tree: i and i+8, then i and i+4, i+2, i+1. */
static inline TARGET float FN(tree_sum)(const VF *partial) {
  float lane[16];
  for (int i = 0; i < 16 / VL; i++) V_STORE(lane + i * VL, partial[i]);
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; i++) lane[i] += lane[i + half];
  return lane[0];
}
