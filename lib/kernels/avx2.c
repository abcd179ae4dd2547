/* AVX2 with FMA and F16C: Intel since Haswell (2013), AMD since Excavator (2015). */
#include "lib/core/numerics.h"

#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__) || defined(_M_IX86)
#include <immintrin.h>

#include "lib/kernels/common.h"

#define LAYER(name) avx2_##name
#if defined(__GNUC__)
#define TARGET __attribute__((target("avx2,fma,f16c")))
#else
#define TARGET
#endif
#include "lib/kernels/vec_avx2.h"
#include "lib/kernels/template.h"

/* 0..127 times -127..127: pairs reach at most 32258 and cannot saturate. */
#define i_dot(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)))
#define DOT_NV 2
#define DOT_MR 4
#include "lib/kernels/gemm_int8.h"

void dit__kernels_avx2(dit__kernels *table) {
  avx2_fill(table);
  avx2_fill_dot(&table->i8);
  table->isa = DIT_ISA_AVX2;
}
#endif
