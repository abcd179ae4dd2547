/* AVX-512 VNNI: Intel since Cascade Lake (2019), AMD since Zen 4 (2022). It adds int8 products to AVX-512. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if DIT__X86_64
#include <immintrin.h>

#define FN(name) avx512vnni_##name
#define TARGET TARGET_FEATURES("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
#include "lib/kernels/vec_avx512.h"
#include "lib/kernels/template.h"

#define I_DOT _mm512_dpbusd_epi32
#define I_SUM_TO_F32 _mm512_cvtepi32_ps
#define QGEMM_NV 2
#define QGEMM_MR 12
#include "lib/kernels/gemm_int8.h"

void dit__kernels_avx512vnni(dit__kernels *table) {
  avx512vnni_fill_qgemm(&table->i8);
  table->isa = DIT_ISA_AVX512_VNNI;
}
#endif
