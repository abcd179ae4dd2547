/* The vector layer of AVX-512 (F, BW, DQ, VL): Intel since Skylake-X (2017), AMD since Zen 4 (2022). int8 products stay
 * with AVX2's. */
#include "numerics.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include "kernels/common.h"

#define LAYER(name) avx512_##name
#if defined(__GNUC__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#else
#define TARGET
#endif
#define VL 16
#define NV 2
#define MR 12
#define vf __m512
#define vd avx512_pair

typedef struct avx512_pair {
  __m512d low, high;
} avx512_pair;

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
#define v_scale(p, t) avx512_scale(p, t)
#define v_turn(square) avx512_turn(square)
#define v_load_bytes(p) _mm512_loadu_ps(p)
#define v_load_f16(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define v_load_bf16(p) avx512_load_bf16(p)
#define v_load_i8(p) _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define d_zero() avx512_d_zero()
#define d_add(a, b) avx512_d_add(a, b)
#define d_mul(a, b) avx512_d_mul(a, b)
#define d_widen(x) avx512_d_widen(x)
#define d_store(p, x) avx512_d_store(p, x)

/* p * 2^n, where t = n + 1.5 * 2^23. */
static inline TARGET __m512 avx512_scale(__m512 p, __m512 t) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(t), 23)));
}

static inline TARGET __m512 avx512_load_bf16(const uint8_t *p) {
  const __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* Transposes 16x16: neighbours, then pairs, then quarters twice. */
static inline INLINE TARGET void avx512_turn(__m512 *x) {
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

static inline TARGET avx512_pair avx512_d_zero(void) {
  const avx512_pair x = {_mm512_setzero_pd(), _mm512_setzero_pd()};
  return x;
}
static inline TARGET avx512_pair avx512_d_add(avx512_pair a, avx512_pair b) {
  const avx512_pair x = {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
  return x;
}
static inline TARGET avx512_pair avx512_d_mul(avx512_pair a, avx512_pair b) {
  const avx512_pair x = {_mm512_mul_pd(a.low, b.low), _mm512_mul_pd(a.high, b.high)};
  return x;
}
static inline TARGET avx512_pair avx512_d_widen(__m512 v) {
  const avx512_pair x = {_mm512_cvtps_pd(_mm512_castps512_ps256(v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))};
  return x;
}
static inline TARGET void avx512_d_store(double *p, avx512_pair x) {
  _mm512_storeu_pd(p, x.low);
  _mm512_storeu_pd(p + 8, x.high);
}

#include "kernels/template.h"

void dit__kernels_avx512(dit__kernels *table) {
  avx512_fill(table);
  table->isa = DIT_ISA_AVX512;
}
#endif
