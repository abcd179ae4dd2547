/* AVX-512 BF16: Intel since Cooper Lake (2020), AMD since Zen 4 (2022). Used only when compute is bf16: what the
 * instruction rounds differs from any chain of fused multiply-adds, so these results are outside of the promise. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if (defined(__x86_64__) || defined(_M_X64)) && DIT__KNOWS_AVX512BF16
#include <immintrin.h>

#define LAYER(name) avx512bf16_##name
#if defined(__GNUC__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")))
#else
#define TARGET
#endif
#include "lib/kernels/vec_avx512.h"
#include "lib/kernels/vec_math.h"

/* Sums are f32, kept as the integers that hold their bits. */
#undef i_float
#define i_float(x) _mm512_castsi512_ps(x)
#define i_dot(sum, a, b) _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)(a), (__m512bh)(b)))
#define v_store_bf16(p, x) _mm256_storeu_si256((__m256i *)(void *)(p), (__m256i)_mm512_cvtneps_pbh(x))
#define DOT_BF16
#define DOT_NV 2
#define DOT_MR 12
#include "lib/kernels/gemm_int8.h"

void dit__kernels_avx512bf16(dit__kernels *table) { avx512bf16_fill_dot(&table->bf16); }
#endif
