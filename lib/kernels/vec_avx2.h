/* The vector layer of AVX2 with FMA and F16C, for a file that has defined LAYER and TARGET. */

#define VL 8
#define NV 2
#define MR 6
#define vf __m256
#define vi __m256i
#define vd LAYER(pair)

typedef struct LAYER(pair) {
  __m256d low, high;
} LAYER(pair);

#define v_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define v_prefetch_far(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#define v_zero() _mm256_setzero_ps()
#define v_set(x) _mm256_set1_ps(x)
#define v_load(p) _mm256_loadu_ps(p)
#define v_broadcast(p) _mm256_broadcast_ss(p)
#define v_store(p, x) _mm256_storeu_ps(p, x)
#define v_add(a, b) _mm256_add_ps(a, b)
#define v_sub(a, b) _mm256_sub_ps(a, b)
#define v_mul(a, b) _mm256_mul_ps(a, b)
#define v_div(a, b) _mm256_div_ps(a, b)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define v_max(a, b) _mm256_max_ps(a, b)
#define v_min(a, b) _mm256_min_ps(a, b)
#define v_load_part(p, n) LAYER(load_part)(p, n)
#define v_store_part(p, x, n) LAYER(store_part)(p, x, n)
#define v_scale(p, t) LAYER(scale)(p, t)
#define v_turn(square) LAYER(turn)(square)
#define v_load_bytes(p) _mm256_loadu_ps((const float *)(const void *)(p))
#define v_load_f16(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define v_load_bf16(p) LAYER(load_bf16)(p)
#define v_load_i8(p) _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define d_zero() LAYER(d_zero)()
#define d_set(x) LAYER(d_set)(x)
#define d_add(a, b) LAYER(d_add)(a, b)
#define d_sub(a, b) LAYER(d_sub)(a, b)
#define d_mul(a, b) LAYER(d_mul)(a, b)
#define d_widen(x) LAYER(d_widen)(x)
#define d_narrow(x) LAYER(d_narrow)(x)
#define d_store(p, x) LAYER(d_store)(p, x)
#define v_store_u8(p, x) LAYER(store_u8)(p, x)
#define i_zero() _mm256_setzero_si256()
#define i_load(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define i_broadcast(p) LAYER(broadcast4)(p)
#define i_float(x) _mm256_cvtepi32_ps(x)

static inline TARGET __m256i LAYER(mask)(int32_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline TARGET __m256 LAYER(load_part)(const float *p, int32_t n) {
  return _mm256_maskload_ps(p, LAYER(mask)(n));
}
static inline TARGET void LAYER(store_part)(float *p, __m256 x, int32_t n) {
  _mm256_maskstore_ps(p, LAYER(mask)(n), x);
}

/* p * 2^n, where t = n + 1.5 * 2^23. */
static inline TARGET __m256 LAYER(scale)(__m256 p, __m256 t) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(t), 23)));
}

static inline TARGET __m256 LAYER(load_bf16)(const uint8_t *p) {
  const __m128i half = _mm_loadu_si128((const __m128i *)(const void *)p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* Transposes 8x8: neighbours, then pairs, then halves. */
static inline INLINE TARGET void LAYER(turn)(__m256 *x) {
  __m256 y[8], z[8];
  UNROLL
  for (int i = 0; i < 8; i += 2) {
    y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
  }
  UNROLL
  for (int i = 0; i < 8; i += 4) UNROLL
  for (int j = 0; j < 2; j++) {
    z[i + 2 * j] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0x44);
    z[i + 2 * j + 1] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0xee);
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    x[i] = _mm256_permute2f128_ps(z[i], z[i + 4], 0x20);
    x[i + 4] = _mm256_permute2f128_ps(z[i], z[i + 4], 0x31);
  }
}

static inline TARGET LAYER(pair) LAYER(d_zero)(void) {
  const LAYER(pair) x = {_mm256_setzero_pd(), _mm256_setzero_pd()};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_add)(LAYER(pair) a, LAYER(pair) b) {
  const LAYER(pair) x = {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_set)(double value) {
  const LAYER(pair) x = {_mm256_set1_pd(value), _mm256_set1_pd(value)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_sub)(LAYER(pair) a, LAYER(pair) b) {
  const LAYER(pair) x = {_mm256_sub_pd(a.low, b.low), _mm256_sub_pd(a.high, b.high)};
  return x;
}
static inline TARGET __m256 LAYER(d_narrow)(LAYER(pair) x) {
  return _mm256_set_m128(_mm256_cvtpd_ps(x.high), _mm256_cvtpd_ps(x.low));
}
static inline TARGET LAYER(pair) LAYER(d_mul)(LAYER(pair) a, LAYER(pair) b) {
  const LAYER(pair) x = {_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_widen)(__m256 v) {
  const LAYER(pair) x = {_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
  return x;
}
static inline TARGET void LAYER(d_store)(double *p, LAYER(pair) x) {
  _mm256_storeu_pd(p, x.low);
  _mm256_storeu_pd(p + 4, x.high);
}

static inline TARGET __m256i LAYER(broadcast4)(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/* VL whole numbers 0..127 as bytes. */
static inline TARGET void LAYER(store_u8)(uint8_t *p, __m256 x) {
  const __m256i whole = _mm256_cvttps_epi32(x);
  const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(half, half));
}
