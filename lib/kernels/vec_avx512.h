/* The vector layer of AVX-512 (F, BW, DQ, VL). template.h says what each macro must do. */

#define VL 16
#define NV 2
#define MR 12
#define VF __m512
#define VD FN(doubles)
#define VI __m512i

#define V_PREFETCH_L1(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define V_PREFETCH_L2(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#define V_ZERO _mm512_setzero_ps
#define V_SET _mm512_set1_ps
#define V_BROADCAST(p) _mm512_set1_ps(*(p))
#define V_LOAD _mm512_loadu_ps
#define V_LOAD_PART(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), p)
#define V_STORE _mm512_storeu_ps
#define V_STORE_PART(p, x, n) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1), x)
#define V_ADD _mm512_add_ps
#define V_SUB _mm512_sub_ps
#define V_MUL _mm512_mul_ps
#define V_DIV _mm512_div_ps
#define V_FMA _mm512_fmadd_ps
#define V_MAX _mm512_max_ps
#define V_MIN _mm512_min_ps
#define V_LDEXP FN(v_ldexp)
#define V_TRANSPOSE FN(v_transpose)
#define V_LOAD_BYTES _mm512_loadu_ps
#define V_LOAD_F16 FN(v_load_f16)
#define V_LOAD_BF16 FN(v_load_bf16)
#define V_LOAD_I8 FN(v_load_i8)
#define V_STORE_U8 FN(v_store_u8)

#define D_ZERO FN(d_zero)
#define D_SET FN(d_set)
#define D_STORE FN(d_store)
#define D_ADD FN(d_add)
#define D_SUB FN(d_sub)
#define D_MUL FN(d_mul)
#define D_WIDEN FN(d_widen)
#define D_NARROW FN(d_narrow)

#define I_ZERO _mm512_setzero_si512
#define I_LOAD _mm512_loadu_si512
#define I_BROADCAST FN(i_broadcast)

static inline TARGET __m512 FN(v_ldexp)(__m512 p, __m512 t) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), exponent));
}

/* Transposes 16x16: neighbours, then pairs, then quarters twice. */
static FORCE_INLINE TARGET void FN(v_transpose)(__m512 *x) {
  __m512 y[16], z[16];
  UNROLL
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
  UNROLL
  for (int i = 0; i < 16; i += 4) {
    UNROLL
    for (int j = 0; j < 2; j++) {
      z[i + 2 * j] = _mm512_shuffle_ps(y[i + j], y[i + j + 2], 0x44);
      z[i + 2 * j + 1] = _mm512_shuffle_ps(y[i + j], y[i + j + 2], 0xee);
    }
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

static inline TARGET __m512 FN(v_load_f16)(const uint8_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline TARGET __m512 FN(v_load_bf16)(const uint8_t *p) {
  const __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

static inline TARGET __m512 FN(v_load_i8)(const uint8_t *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

static inline TARGET void FN(v_store_u8)(uint8_t *p, __m512 x) {
  _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(x)));
}

/* Sixteen doubles. */
typedef struct FN(doubles) {
  __m512d low, high;
} FN(doubles);

static inline TARGET VD FN(d_zero)(void) {
  const VD x = {_mm512_setzero_pd(), _mm512_setzero_pd()};
  return x;
}

static inline TARGET VD FN(d_set)(double value) {
  const VD x = {_mm512_set1_pd(value), _mm512_set1_pd(value)};
  return x;
}

static inline TARGET void FN(d_store)(double *p, VD x) {
  _mm512_storeu_pd(p, x.low);
  _mm512_storeu_pd(p + 8, x.high);
}

static inline TARGET VD FN(d_add)(VD a, VD b) {
  const VD x = {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
  return x;
}

static inline TARGET VD FN(d_sub)(VD a, VD b) {
  const VD x = {_mm512_sub_pd(a.low, b.low), _mm512_sub_pd(a.high, b.high)};
  return x;
}

static inline TARGET VD FN(d_mul)(VD a, VD b) {
  const VD x = {_mm512_mul_pd(a.low, b.low), _mm512_mul_pd(a.high, b.high)};
  return x;
}

static inline TARGET VD FN(d_widen)(__m512 v) {
  const VD x = {_mm512_cvtps_pd(_mm512_castps512_ps256(v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))};
  return x;
}

static inline TARGET __m512 FN(d_narrow)(VD x) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(x.low)), _mm512_cvtpd_ps(x.high), 1);
}

static inline TARGET __m512i FN(i_broadcast)(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
