/* The vector layer of NEON on AArch64. template.h says what each macro must do. */

#define VL 4
#define NV 2
#define MR 12
#define VF float32x4_t
#define VD FN(doubles)
#define VI int32x4_t

#if defined(__GNUC__)
#define V_PREFETCH_L1(p) __builtin_prefetch(p, 0, 3)
#define V_PREFETCH_L2(p) __builtin_prefetch(p, 0, 2)
#else
#define V_PREFETCH_L1(p) ((void)(p))
#define V_PREFETCH_L2(p) ((void)(p))
#endif
#define V_ZERO() vdupq_n_f32(0)
#define V_SET vdupq_n_f32
#define V_BROADCAST vld1q_dup_f32
#define V_LOAD vld1q_f32
#define V_LOAD_PART FN(v_load_part)
#define V_STORE vst1q_f32
#define V_STORE_PART FN(v_store_part)
#define V_ADD vaddq_f32
#define V_SUB vsubq_f32
#define V_MUL vmulq_f32
#define V_DIV vdivq_f32
#define V_FMA(a, b, c) vfmaq_f32(c, a, b)
#define V_MAX FN(v_max)
#define V_MIN FN(v_min)
#define V_LDEXP FN(v_ldexp)
#define V_TRANSPOSE FN(v_transpose)
#define V_LOAD_BYTES(p) vreinterpretq_f32_u8(vld1q_u8(p))
#define V_LOAD_F16(p) vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)))
#define V_LOAD_BF16(p) vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16))
#define V_LOAD_I8 FN(v_load_i8)
#define V_STORE_U8 FN(v_store_u8)

#define D_ZERO FN(d_zero)
#define D_SET FN(d_set)
#define D_STORE FN(d_store)
#define D_ADD FN(d_add)
#define D_SUB FN(d_sub)
#define D_MUL FN(d_mul)
#define D_WIDEN FN(d_widen)
#define D_NARROW FN(d_narrow)

#define I_ZERO() vdupq_n_s32(0)
#define I_LOAD(p) vreinterpretq_s32_u8(vld1q_u8(p))
#define I_BROADCAST FN(i_broadcast)

/* NEON's own instructions would return NaN if either is NaN. */
static inline TARGET float32x4_t FN(v_max)(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline TARGET float32x4_t FN(v_min)(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }

static inline TARGET float32x4_t FN(v_load_part)(const float *p, int32_t n) {
  float lane[4] = {0, 0, 0, 0};
  memcpy(lane, p, (size_t)n * sizeof(float));
  return vld1q_f32(lane);
}

static inline TARGET void FN(v_store_part)(float *p, float32x4_t x, int32_t n) {
  float lane[4];
  vst1q_f32(lane, x);
  memcpy(p, lane, (size_t)n * sizeof(float));
}

static inline TARGET float32x4_t FN(v_ldexp)(float32x4_t p, float32x4_t t) {
  const int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(t), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), exponent));
}

/* Transposes 4x4: neighbours, then pairs. */
static FORCE_INLINE TARGET void FN(v_transpose)(float32x4_t *x) {
  const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(x[0], x[1]));
  const float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(x[0], x[1]));
  const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(x[2], x[3]));
  const float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(x[2], x[3]));
  x[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
  x[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
  x[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
  x[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

static inline TARGET int32x4_t FN(i_broadcast)(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return vdupq_n_s32(four);
}

static inline TARGET float32x4_t FN(v_load_i8)(const uint8_t *p) {
  const int8x8_t bytes = vreinterpret_s8_s32(vget_low_s32(FN(i_broadcast)(p)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
}

static inline TARGET void FN(v_store_u8)(uint8_t *p, float32x4_t x) {
  const int16x4_t half = vmovn_s32(vcvtq_s32_f32(x));
  const int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
  const int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
  memcpy(p, &four, 4);
}

/* Four doubles. */
typedef struct FN(doubles) {
  float64x2_t low, high;
} FN(doubles);

static inline TARGET VD FN(d_zero)(void) {
  const VD x = {vdupq_n_f64(0), vdupq_n_f64(0)};
  return x;
}

static inline TARGET VD FN(d_set)(double value) {
  const VD x = {vdupq_n_f64(value), vdupq_n_f64(value)};
  return x;
}

static inline TARGET void FN(d_store)(double *p, VD x) {
  vst1q_f64(p, x.low);
  vst1q_f64(p + 2, x.high);
}

static inline TARGET VD FN(d_add)(VD a, VD b) {
  const VD x = {vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high)};
  return x;
}

static inline TARGET VD FN(d_sub)(VD a, VD b) {
  const VD x = {vsubq_f64(a.low, b.low), vsubq_f64(a.high, b.high)};
  return x;
}

static inline TARGET VD FN(d_mul)(VD a, VD b) {
  const VD x = {vmulq_f64(a.low, b.low), vmulq_f64(a.high, b.high)};
  return x;
}

static inline TARGET VD FN(d_widen)(float32x4_t v) {
  const VD x = {vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v)};
  return x;
}

static inline TARGET float32x4_t FN(d_narrow)(VD x) { return vcvt_high_f32_f64(vcvt_f32_f64(x.low), x.high); }
