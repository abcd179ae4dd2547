/* AVX-VNNI: Intel since Alder Lake (2021), AMD since Zen 5 (2024). It adds int8 products to AVX2. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if DIT__X86 && DIT__KNOWS_AVXVNNI
#include <immintrin.h>

#define FN(name) avxvnni_##name
#define TARGET TARGET_FEATURES("avx2,fma,f16c,avxvnni")
#include "lib/kernels/vec_avx2.h"
#include "lib/kernels/template.h"

#define I_DOT _mm256_dpbusd_avx_epi32
#define I_SUM_TO_F32 _mm256_cvtepi32_ps
#define QGEMM_NV 2
#define QGEMM_MR 6
#include "lib/kernels/gemm_int8.h"

void dit__kernels_avxvnni(dit__kernels *table) {
  avxvnni_fill_qgemm(&table->i8);
  table->isa = DIT_ISA_AVX_VNNI;
}
#endif
