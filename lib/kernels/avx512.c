/* AVX-512 (F, BW, DQ, VL): Intel since Skylake-X (2017), AMD since Zen 4 (2022). Products of bytes stay with AVX2's. */
#include "lib/core/numerics.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include "lib/kernels/common.h"

#define LAYER(name) avx512_##name
#if defined(__GNUC__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#else
#define TARGET
#endif
#include "lib/kernels/vec_avx512.h"
#include "lib/kernels/template.h"

void dit__kernels_avx512(dit__kernels *table) {
  avx512_fill(table);
  table->isa = DIT_ISA_AVX512;
}
#endif
