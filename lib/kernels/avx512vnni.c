/* AVX-512 VNNI: Intel since Cascade Lake (2019), AMD since Zen 4 (2022). Products of bytes alone; all else is AVX-512.
 */
#include "lib/core/numerics.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include "lib/kernels/common.h"

#define LAYER(name) avx512vnni_##name
#if defined(__GNUC__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#else
#define TARGET
#endif
#include "lib/kernels/vec_avx512.h"
#include "lib/kernels/vec_math.h"

#define i_dot(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#define DOT_NV 2
#define DOT_MR 12
#include "lib/kernels/gemm_int8.h"

void dit__kernels_avx512vnni(dit__kernels *table) {
  avx512vnni_fill_dot(&table->i8);
  table->isa = DIT_ISA_AVX512_VNNI;
}
#endif
