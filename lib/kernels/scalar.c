/* The portable table: plain C, one number at a time. It runs everywhere and is what the others are tested against. */
#include "lib/core/numerics.h"

#include "lib/kernels/common.h"

#define LAYER(name) scalar_##name
#define TARGET
#define VL 1
#define NV 8
#define MR 2
#define DOT_NV 8
#define DOT_MR 2
#define vf float
#define vd double
#define vi int32_t

#define v_prefetch(p) ((void)(p))
#define v_prefetch_far(p) ((void)(p))
#define v_zero() 0.0f
#define v_set(x) (x)
#define v_broadcast(p) v_load(p)
#define v_load_part(p, n) ((void)(n), v_load(p))
#define v_store_part(p, x, n) ((void)(n), v_store(p, x))
#define v_add(a, b) ((a) + (b))
#define v_sub(a, b) ((a) - (b))
#define v_mul(a, b) ((a) * (b))
#define v_div(a, b) ((a) / (b))
#define v_fma(a, b, c) dit__fmaf(a, b, c)
#define v_turn(square) ((void)(square))
#define v_load_bytes(p) dit__load_one(DIT__F32, p, 0, 0)
#define v_load_f16(p) dit__load_one(DIT__F16, p, 0, 0)
#define v_load_bf16(p) dit__load_one(DIT__BF16, p, 0, 0)
#define v_load_i8(p) ((float)(int8_t) * (p))
#define v_store_u8(p, x) (*(p) = (uint8_t)(x))
#define d_zero() 0.0
#define d_set(x) (x)
#define d_add(a, b) ((a) + (b))
#define d_sub(a, b) ((a) - (b))
#define d_mul(a, b) ((a) * (b))
#define d_widen(x) ((double)(x))
#define d_narrow(x) ((float)(x))
#define i_zero() 0
#define i_float(x) ((float)(x))

/* Functions, not macros: gcc 11 and 12 take *(row[i] + j) for element 0 of a row that begins there, and then drop
 * stores to row[i][j] (tests/rows.sh). The pointer that a function gets is one to a float alone. */
static inline float v_load(const float *p) { return *p; }
static inline void v_store(float *p, float x) { *p = x; }
static inline void d_store(double *p, double x) { *p = x; }

static inline float v_max(float a, float b) { return a > b ? a : b; }
static inline float v_min(float a, float b) { return a < b ? a : b; }

/* p * 2^n, where t = n + 1.5 * 2^23. */
static inline float v_scale(float p, float t) {
  uint32_t bits, exponent;
  memcpy(&bits, &p, 4);
  memcpy(&exponent, &t, 4);
  bits += exponent << 23;
  memcpy(&p, &bits, 4);
  return p;
}

/* Four bytes as one lane. */
static inline int32_t i_load(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return four;
}
#define i_broadcast(p) i_load(p)

static inline int32_t i_dot(int32_t sum, int32_t a, int32_t b) {
  for (int shift = 0; shift < 32; shift += 8)
    sum += (int32_t)((uint32_t)a >> shift & 255) * (int8_t)((uint32_t)b >> shift & 255);
  return sum;
}

#include "lib/kernels/template.h"
#include "lib/kernels/gemm_int8.h"

void dit__kernels_scalar(dit__kernels *table) {
  memset(table, 0, sizeof *table);
  scalar_fill(table);
  scalar_fill_dot(&table->i8);
  table->isa = DIT_ISA_SCALAR;
}
