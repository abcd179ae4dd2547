/* AVX-512 BF16: Intel since Cooper Lake (2020), AMD since Zen 4 (2022). It adds bfloat16 products to AVX-512, and is
 * used only when `compute` is bf16: what the instruction rounds differs from any chain of fused multiply-adds, so these
 * results are outside of the promise of equal bits. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if DIT__X86_64 && DIT__KNOWS_AVX512BF16
#include <immintrin.h>

#define FN(name) avx512bf16_##name
#define TARGET TARGET_FEATURES("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")
#include "lib/kernels/vec_avx512.h"
#include "lib/kernels/template.h"

/* Sums are floats, kept as the integers that hold their bits. */
static FORCE_INLINE TARGET __m512i FN(i_dot)(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)a, (__m512bh)b));
}

static FORCE_INLINE TARGET void FN(v_store_bf16)(uint8_t *p, __m512 x) {
  _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)_mm512_cvtneps_pbh(x));
}

#define I_DOT FN(i_dot)
#define I_SUM_TO_F32 _mm512_castsi512_ps
#define V_STORE_BF16 FN(v_store_bf16)
#define QGEMM_BF16
#define QGEMM_NV 2
#define QGEMM_MR 12
#include "lib/kernels/gemm_int8.h"

void dit__kernels_avx512bf16(dit__kernels *table) { avx512bf16_fill_qgemm(&table->bf16); }
#endif
