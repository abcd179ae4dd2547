/* The vector layer of AVX2 with FMA and F16C: Intel since Haswell (2013), AMD since Excavator (2015). */
#include "numerics.h"

#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__) || defined(_M_IX86)
#include <immintrin.h>

#include "kernels/common.h"

#define LAYER(name) avx2_##name
#if defined(__GNUC__)
#define TARGET __attribute__((target("avx2,fma,f16c")))
#else
#define TARGET
#endif
#define VL 8
#define NV 2
#define MR 6
#define NV_I8 2
#define MR_I8 4
#define HAVE_I8
#define vf __m256
#define vi __m256i
#define vd avx2_pair

typedef struct avx2_pair {
  __m256d low, high;
} avx2_pair;

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
#define v_load_part(p, n) avx2_load_part(p, n)
#define v_store_part(p, x, n) avx2_store_part(p, x, n)
#define v_scale(p, t) avx2_scale(p, t)
#define v_turn(square) avx2_turn(square)
#define v_load_bytes(p) _mm256_loadu_ps((const float *)(const void *)(p))
#define v_load_f16(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define v_load_bf16(p) avx2_load_bf16(p)
#define v_load_i8(p) _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define d_zero() avx2_d_zero()
#define d_add(a, b) avx2_d_add(a, b)
#define d_mul(a, b) avx2_d_mul(a, b)
#define d_widen(x) avx2_d_widen(x)
#define d_store(p, x) avx2_d_store(p, x)
#define i_zero() _mm256_setzero_si256()
#define i_load(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define i_store(p, x) _mm256_storeu_si256((__m256i *)(void *)(p), x)
#define i_broadcast(p) avx2_broadcast4(p)
#define i_float(x) _mm256_cvtepi32_ps(x)
/* 0..127 times -127..127: pairs reach at most 32258 and cannot saturate. */
#define i_dot(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)))

static inline TARGET __m256i avx2_mask(int32_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline TARGET __m256 avx2_load_part(const float *p, int32_t n) { return _mm256_maskload_ps(p, avx2_mask(n)); }
static inline TARGET void avx2_store_part(float *p, __m256 x, int32_t n) { _mm256_maskstore_ps(p, avx2_mask(n), x); }

/* p * 2^n, where t = n + 1.5 * 2^23. */
static inline TARGET __m256 avx2_scale(__m256 p, __m256 t) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(t), 23)));
}

static inline TARGET __m256 avx2_load_bf16(const uint8_t *p) {
  const __m128i half = _mm_loadu_si128((const __m128i *)(const void *)p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* Transposes 8x8: neighbours, then pairs, then halves. */
static inline INLINE TARGET void avx2_turn(__m256 *x) {
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

static inline TARGET avx2_pair avx2_d_zero(void) {
  const avx2_pair x = {_mm256_setzero_pd(), _mm256_setzero_pd()};
  return x;
}
static inline TARGET avx2_pair avx2_d_add(avx2_pair a, avx2_pair b) {
  const avx2_pair x = {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
  return x;
}
static inline TARGET avx2_pair avx2_d_mul(avx2_pair a, avx2_pair b) {
  const avx2_pair x = {_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)};
  return x;
}
static inline TARGET avx2_pair avx2_d_widen(__m256 v) {
  const avx2_pair x = {_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
  return x;
}
static inline TARGET void avx2_d_store(double *p, avx2_pair x) {
  _mm256_storeu_pd(p, x.low);
  _mm256_storeu_pd(p + 4, x.high);
}

static inline TARGET __m256i avx2_broadcast4(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

#include "kernels/template.h"

void dit__kernels_avx2(dit__kernels *table) {
  avx2_fill(table);
  table->isa = DIT_ISA_AVX2;
}
#endif
