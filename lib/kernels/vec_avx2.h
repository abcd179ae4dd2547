/* The vector layer of AVX2 with FMA and F16C. template.h says what each macro must do. */

#define VL 8
#define NV 2
#define MR 6
#define VF __m256
#define VD FN(doubles)
#define VI __m256i

#define V_PREFETCH_L1(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define V_PREFETCH_L2(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#define V_ZERO _mm256_setzero_ps
#define V_SET _mm256_set1_ps
#define V_BROADCAST _mm256_broadcast_ss
#define V_LOAD _mm256_loadu_ps
#define V_LOAD_PART FN(v_load_part)
#define V_STORE _mm256_storeu_ps
#define V_STORE_PART FN(v_store_part)
#define V_ADD _mm256_add_ps
#define V_SUB _mm256_sub_ps
#define V_MUL _mm256_mul_ps
#define V_DIV _mm256_div_ps
#define V_FMA _mm256_fmadd_ps
#define V_MAX _mm256_max_ps
#define V_MIN _mm256_min_ps
#define V_LDEXP FN(v_ldexp)
#define V_TRANSPOSE FN(v_transpose)
#define V_LOAD_BYTES(p) _mm256_loadu_ps((const float *)(const void *)(p))
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

#define I_ZERO _mm256_setzero_si256
#define I_LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define I_BROADCAST FN(i_broadcast)

/* All bits of the first n lanes. */
static inline TARGET __m256i FN(lane_mask)(int32_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline TARGET __m256 FN(v_load_part)(const float *p, int32_t n) {
  return _mm256_maskload_ps(p, FN(lane_mask)(n));
}

static inline TARGET void FN(v_store_part)(float *p, __m256 x, int32_t n) {
  _mm256_maskstore_ps(p, FN(lane_mask)(n), x);
}

static inline TARGET __m256 FN(v_ldexp)(__m256 p, __m256 t) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
}

/* Transposes 8x8: neighbours, then pairs, then halves. */
static FORCE_INLINE TARGET void FN(v_transpose)(__m256 *x) {
  __m256 y[8], z[8];
  UNROLL
  for (int i = 0; i < 8; i += 2) {
    y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
  }
  UNROLL
  for (int i = 0; i < 8; i += 4) {
    UNROLL
    for (int j = 0; j < 2; j++) {
      z[i + 2 * j] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0x44);
      z[i + 2 * j + 1] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0xee);
    }
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    x[i] = _mm256_permute2f128_ps(z[i], z[i + 4], 0x20);
    x[i + 4] = _mm256_permute2f128_ps(z[i], z[i + 4], 0x31);
  }
}

static inline TARGET __m256 FN(v_load_f16)(const uint8_t *p) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline TARGET __m256 FN(v_load_bf16)(const uint8_t *p) {
  const __m128i half = _mm_loadu_si128((const __m128i *)(const void *)p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

static inline TARGET __m256 FN(v_load_i8)(const uint8_t *p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

static inline TARGET void FN(v_store_u8)(uint8_t *p, __m256 x) {
  const __m256i integers = _mm256_cvttps_epi32(x);
  const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
  _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(half, half));
}

/* Eight doubles. */
typedef struct FN(doubles) {
  __m256d low, high;
} FN(doubles);

static inline TARGET VD FN(d_zero)(void) {
  const VD x = {_mm256_setzero_pd(), _mm256_setzero_pd()};
  return x;
}

static inline TARGET VD FN(d_set)(double value) {
  const VD x = {_mm256_set1_pd(value), _mm256_set1_pd(value)};
  return x;
}

static inline TARGET void FN(d_store)(double *p, VD x) {
  _mm256_storeu_pd(p, x.low);
  _mm256_storeu_pd(p + 4, x.high);
}

static inline TARGET VD FN(d_add)(VD a, VD b) {
  const VD x = {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
  return x;
}

static inline TARGET VD FN(d_sub)(VD a, VD b) {
  const VD x = {_mm256_sub_pd(a.low, b.low), _mm256_sub_pd(a.high, b.high)};
  return x;
}

static inline TARGET VD FN(d_mul)(VD a, VD b) {
  const VD x = {_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)};
  return x;
}

static inline TARGET VD FN(d_widen)(__m256 v) {
  const VD x = {_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
  return x;
}

static inline TARGET __m256 FN(d_narrow)(VD x) {
  return _mm256_set_m128(_mm256_cvtpd_ps(x.high), _mm256_cvtpd_ps(x.low));
}

static inline TARGET __m256i FN(i_broadcast)(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
