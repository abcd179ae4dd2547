/* The vector layer of plain C: vectors of one number. template.h says what each macro must do. */

#define VL 1
#define NV 8
#define MR 2
#define VF float
#define VD double
#define VI int32_t

#define V_PREFETCH_L1(p) ((void)(p))
#define V_PREFETCH_L2(p) ((void)(p))
#define V_ZERO() 0.0f
#define V_SET(x) (x)
#define V_BROADCAST FN(v_load)
#define V_LOAD FN(v_load)
#define V_LOAD_PART(p, n) ((void)(n), FN(v_load)(p))
#define V_STORE FN(v_store)
#define V_STORE_PART(p, x, n) ((void)(n), FN(v_store)(p, x))
#define V_ADD(a, b) ((a) + (b))
#define V_SUB(a, b) ((a) - (b))
#define V_MUL(a, b) ((a) * (b))
#define V_DIV(a, b) ((a) / (b))
#define V_FMA f32_fma
#define V_MAX FN(v_max)
#define V_MIN FN(v_min)
#define V_LDEXP FN(v_ldexp)
#define V_TRANSPOSE(square) ((void)(square))
#define V_LOAD_BYTES(p) f32_load(DIT__F32, p, 0, 0)
#define V_LOAD_F16(p) f32_load(DIT__F16, p, 0, 0)
#define V_LOAD_BF16(p) f32_load(DIT__BF16, p, 0, 0)
#define V_LOAD_I8(p) ((float)(int8_t) * (p))
#define V_STORE_U8(p, x) (*(p) = (uint8_t)(x))

#define D_ZERO() 0.0
#define D_SET(x) (x)
#define D_STORE FN(d_store)
#define D_ADD(a, b) ((a) + (b))
#define D_SUB(a, b) ((a) - (b))
#define D_MUL(a, b) ((a) * (b))
#define D_WIDEN(x) ((double)(x))
#define D_NARROW(x) ((float)(x))

#define I_ZERO() 0
#define I_LOAD FN(i_load)
#define I_BROADCAST FN(i_load)

/* Functions, not macros: gcc 11 and 12 take *(row[i] + j) for element 0 of a row that begins there, and then drop
 * stores to row[i][j] (tests/rows.sh). A function's parameter is a pointer to one float and to no row. */
static inline float FN(v_load)(const float *p) { return *p; }
static inline void FN(v_store)(float *p, float x) { *p = x; }
static inline void FN(d_store)(double *p, double x) { *p = x; }

static inline float FN(v_max)(float a, float b) { return a > b ? a : b; }
static inline float FN(v_min)(float a, float b) { return a < b ? a : b; }

static inline float FN(v_ldexp)(float p, float t) {
  uint32_t bits, exponent;
  memcpy(&bits, &p, 4);
  memcpy(&exponent, &t, 4);
  bits += exponent << 23;
  memcpy(&p, &bits, 4);
  return p;
}

/* Four bytes as one lane. */
static inline int32_t FN(i_load)(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return four;
}
