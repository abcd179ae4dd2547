/* The vector layer of AVX-512 (F, BW, DQ, VL), for a file that has defined LAYER and TARGET. */

#define VL 16
#define NV 2
#define MR 12
#define vf __m512
#define vi __m512i
#define vd LAYER(pair)

typedef struct LAYER(pair) {
  __m512d low, high;
} LAYER(pair);

#define v_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define v_prefetch_far(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#define v_zero() _mm512_setzero_ps()
#define v_set(x) _mm512_set1_ps(x)
#define v_load(p) _mm512_loadu_ps(p)
#define v_broadcast(p) _mm512_set1_ps(*(p))
#define v_store(p, x) _mm512_storeu_ps(p, x)
#define v_add(a, b) _mm512_add_ps(a, b)
#define v_sub(a, b) _mm512_sub_ps(a, b)
#define v_mul(a, b) _mm512_mul_ps(a, b)
#define v_div(a, b) _mm512_div_ps(a, b)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define v_max(a, b) _mm512_max_ps(a, b)
#define v_min(a, b) _mm512_min_ps(a, b)
#define v_load_part(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), p)
#define v_store_part(p, x, n) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1), x)
#define v_scale(p, t) LAYER(scale)(p, t)
#define v_turn(square) LAYER(turn)(square)
#define v_load_bytes(p) _mm512_loadu_ps(p)
#define v_load_f16(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define v_load_bf16(p) LAYER(load_bf16)(p)
#define v_load_i8(p) _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define v_store_u8(p, x) _mm_storeu_si128((__m128i *)(void *)(p), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(x)))
#define i_zero() _mm512_setzero_si512()
#define i_load(p) _mm512_loadu_si512(p)
#define i_broadcast(p) LAYER(broadcast4)(p)
#define i_float(x) _mm512_cvtepi32_ps(x)
#define d_zero() LAYER(d_zero)()
#define d_set(x) LAYER(d_set)(x)
#define d_add(a, b) LAYER(d_add)(a, b)
#define d_sub(a, b) LAYER(d_sub)(a, b)
#define d_mul(a, b) LAYER(d_mul)(a, b)
#define d_widen(x) LAYER(d_widen)(x)
#define d_narrow(x) LAYER(d_narrow)(x)
#define d_store(p, x) LAYER(d_store)(p, x)

/* p * 2^n, where t = n + 1.5 * 2^23. */
static inline TARGET __m512 LAYER(scale)(__m512 p, __m512 t) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(t), 23)));
}

static inline TARGET __m512 LAYER(load_bf16)(const uint8_t *p) {
  const __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* Transposes 16x16: neighbours, then pairs, then quarters twice. */
static inline INLINE TARGET void LAYER(turn)(__m512 *x) {
  __m512 y[16], z[16];
  UNROLL
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
  UNROLL
  for (int i = 0; i < 16; i += 4) UNROLL
  for (int j = 0; j < 2; j++) {
    z[i + 2 * j] = _mm512_shuffle_ps(y[i + j], y[i + j + 2], 0x44);
    z[i + 2 * j + 1] = _mm512_shuffle_ps(y[i + j], y[i + j + 2], 0xee);
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    y[i] = _mm512_shuffle_f32x4(z[i], z[i + 4], 0x88);
    y[i + 4] = _mm512_shuffle_f32x4(z[i], z[i + 4], 0xdd);
    y[i + 8] = _mm512_shuffle_f32x4(z[i + 8], z[i + 12], 0x88);
    y[i + 12] = _mm512_shuffle_f32x4(z[i + 8], z[i + 12], 0xdd);
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    x[i] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0xdd);
    x[i + 4] = _mm512_shuffle_f32x4(y[i + 4], y[i + 12], 0x88);
    x[i + 12] = _mm512_shuffle_f32x4(y[i + 4], y[i + 12], 0xdd);
  }
}

static inline TARGET LAYER(pair) LAYER(d_zero)(void) {
  const LAYER(pair) x = {_mm512_setzero_pd(), _mm512_setzero_pd()};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_add)(LAYER(pair) a, LAYER(pair) b) {
  const LAYER(pair) x = {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_set)(double value) {
  const LAYER(pair) x = {_mm512_set1_pd(value), _mm512_set1_pd(value)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_sub)(LAYER(pair) a, LAYER(pair) b) {
  const LAYER(pair) x = {_mm512_sub_pd(a.low, b.low), _mm512_sub_pd(a.high, b.high)};
  return x;
}
static inline TARGET __m512 LAYER(d_narrow)(LAYER(pair) x) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(x.low)), _mm512_cvtpd_ps(x.high), 1);
}
static inline TARGET LAYER(pair) LAYER(d_mul)(LAYER(pair) a, LAYER(pair) b) {
  const LAYER(pair) x = {_mm512_mul_pd(a.low, b.low), _mm512_mul_pd(a.high, b.high)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_widen)(__m512 v) {
  const LAYER(pair) x = {_mm512_cvtps_pd(_mm512_castps512_ps256(v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))};
  return x;
}
static inline TARGET void LAYER(d_store)(double *p, LAYER(pair) x) {
  _mm512_storeu_pd(p, x.low);
  _mm512_storeu_pd(p + 8, x.high);
}

static inline TARGET __m512i LAYER(broadcast4)(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
