/* AVX-512 (F, BW, DQ, VL): Intel since Skylake-X (2017), AMD since Zen 4 (2022). int8 products stay those of AVX2. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#if DIT__X86_64
#include <immintrin.h>

#define FN(name) avx512_##name
#define TARGET TARGET_FEATURES("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#include "lib/kernels/vec_avx512.h"
#include "lib/kernels/template.h"
#include "lib/kernels/template_f32.h"

void dit__kernels_avx512(dit__kernels *table) {
  avx512_fill_f32(table);
  table->isa = DIT_ISA_AVX512;
}
#endif
