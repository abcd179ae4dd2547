/* The reference of the tests of kernels: the scalar kernels with the emulated fma, whatever the compiler may use. */
#define DIT_EMULATE_FMA
#define dit__kernels_scalar reference_kernels
#include "lib/kernels/scalar.c"

float reference_fma(float a, float b, float c) { return f32_fma(a, b, c); }
float reference_exp(float x) { return scalar_v_exp(x); }
float reference_silu(float x) { return scalar_v_silu(x); }
float reference_gelu(float x) { return scalar_v_gelu(x); }
