/* AVX-VNNI: Intel since Alder Lake (2021), AMD since Zen 5 (2024). Products of bytes alone; all else is AVX2. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if (defined(__x86_64__) || defined(_M_X64) || defined(__i386__) || defined(_M_IX86)) && DIT__KNOWS_AVXVNNI
#include <immintrin.h>

#define LAYER(name) avxvnni_##name
#if defined(__GNUC__)
#define TARGET __attribute__((target("avx2,fma,f16c,avxvnni")))
#else
#define TARGET
#endif
#include "lib/kernels/vec_avx2.h"
#include "lib/kernels/vec_math.h"

#define i_dot(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
#define DOT_NV 2
#define DOT_MR 6
#include "lib/kernels/gemm_int8.h"

void dit__kernels_avxvnni(dit__kernels *table) {
  avxvnni_fill_dot(&table->i8);
  table->isa = DIT_ISA_AVX_VNNI;
}
#endif
