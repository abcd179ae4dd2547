/* AVX2 with FMA and F16C: Intel since Haswell (2013), AMD since Excavator (2015). */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if DIT__X86
#include <immintrin.h>

#define FN(name) avx2_##name
#define TARGET TARGET_FEATURES("avx2,fma,f16c")
#include "lib/kernels/vec_avx2.h"
#include "lib/kernels/template.h"
#include "lib/kernels/template_f32.h"

/* Pairs of products are added in 16 bits: with 0..127 and -127..127 they reach at most 32258 and cannot saturate. */
static FORCE_INLINE TARGET __m256i FN(i_dot)(__m256i sum, __m256i a, __m256i b) {
  const __m256i pairs = _mm256_maddubs_epi16(a, b);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#define I_DOT FN(i_dot)
#define I_SUM_TO_F32 _mm256_cvtepi32_ps
#define QGEMM_NV 2
#define QGEMM_MR 4
#include "lib/kernels/gemm_int8.h"

void dit__kernels_avx2(dit__kernels *table) {
  avx2_fill_f32(table);
  avx2_fill_qgemm(&table->i8);
  table->isa = DIT_ISA_AVX2;
}
#endif
