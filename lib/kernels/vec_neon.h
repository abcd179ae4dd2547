/* The vector layer of NEON on AArch64, for a file that has defined LAYER and TARGET. */

#define VL 4
#define NV 2
#define MR 12
#define vf float32x4_t
#define vi int32x4_t
#define vd LAYER(pair)

typedef struct LAYER(pair) {
  float64x2_t low, high;
} LAYER(pair);

#define v_prefetch(p) DIT__PREFETCH(p, 3)
#define v_prefetch_far(p) DIT__PREFETCH(p, 2)
#define v_zero() vdupq_n_f32(0)
#define v_set(x) vdupq_n_f32(x)
#define v_load(p) vld1q_f32(p)
#define v_broadcast(p) vld1q_dup_f32(p)
#define v_store(p, x) vst1q_f32(p, x)
#define v_add(a, b) vaddq_f32(a, b)
#define v_sub(a, b) vsubq_f32(a, b)
#define v_mul(a, b) vmulq_f32(a, b)
#define v_div(a, b) vdivq_f32(a, b)
#define v_fma(a, b, c) vfmaq_f32(c, a, b)
#define v_max(a, b) LAYER(max)(a, b)
#define v_min(a, b) LAYER(min)(a, b)
#define v_load_part(p, n) LAYER(load_part)(p, n)
#define v_store_part(p, x, n) LAYER(store_part)(p, x, n)
#define v_scale(p, t) LAYER(scale)(p, t)
#define v_turn(square) LAYER(turn)(square)
#define v_load_bytes(p) vreinterpretq_f32_u8(vld1q_u8(p))
#define v_load_f16(p) vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)))
#define v_load_bf16(p) vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16))
#define v_load_i8(p) LAYER(load_i8)(p)
#define v_store_u8(p, x) LAYER(store_u8)(p, x)
#define i_zero() vdupq_n_s32(0)
#define i_load(p) vreinterpretq_s32_u8(vld1q_u8(p))
#define i_broadcast(p) LAYER(broadcast4)(p)
#define i_float(x) vcvtq_f32_s32(x)
#define d_zero() LAYER(d_zero)()
#define d_set(x) LAYER(d_set)(x)
#define d_add(a, b) LAYER(d_add)(a, b)
#define d_sub(a, b) LAYER(d_sub)(a, b)
#define d_mul(a, b) LAYER(d_mul)(a, b)
#define d_widen(x) LAYER(d_widen)(x)
#define d_narrow(x) LAYER(d_narrow)(x)
#define d_store(p, x) LAYER(d_store)(p, x)

/* As elsewhere a > b ? a : b, and not what the instructions make of NaN. */
static inline TARGET float32x4_t LAYER(max)(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline TARGET float32x4_t LAYER(min)(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }

static inline TARGET float32x4_t LAYER(load_part)(const float *p, int32_t n) {
  float lane[4] = {0, 0, 0, 0};
  memcpy(lane, p, (size_t)n * sizeof(float));
  return vld1q_f32(lane);
}
static inline TARGET void LAYER(store_part)(float *p, float32x4_t x, int32_t n) {
  float lane[4];
  vst1q_f32(lane, x);
  memcpy(p, lane, (size_t)n * sizeof(float));
}

/* p * 2^n, where t = n + 1.5 * 2^23. */
static inline TARGET float32x4_t LAYER(scale)(float32x4_t p, float32x4_t t) {
  const int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(t), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), exponent));
}

static inline TARGET int32x4_t LAYER(broadcast4)(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return vdupq_n_s32(four);
}

static inline TARGET float32x4_t LAYER(load_i8)(const uint8_t *p) {
  const int8x8_t bytes = vreinterpret_s8_s32(vget_low_s32(LAYER(broadcast4)(p)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
}

/* VL whole numbers 0..127 as bytes. */
static inline TARGET void LAYER(store_u8)(uint8_t *p, float32x4_t x) {
  const int16x4_t half = vmovn_s32(vcvtq_s32_f32(x));
  const int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
  const int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
  memcpy(p, &four, 4);
}

/* Transposes 4x4: neighbours, then pairs. */
static inline INLINE TARGET void LAYER(turn)(float32x4_t *x) {
  const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(x[0], x[1])),
                    b = vreinterpretq_f64_f32(vtrn2q_f32(x[0], x[1]));
  const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(x[2], x[3])),
                    d = vreinterpretq_f64_f32(vtrn2q_f32(x[2], x[3]));
  x[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
  x[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
  x[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
  x[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

static inline TARGET LAYER(pair) LAYER(d_zero)(void) {
  const LAYER(pair) x = {vdupq_n_f64(0), vdupq_n_f64(0)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_add)(LAYER(pair) a, LAYER(pair) b) {
  const LAYER(pair) x = {vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_set)(double value) {
  const LAYER(pair) x = {vdupq_n_f64(value), vdupq_n_f64(value)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_sub)(LAYER(pair) a, LAYER(pair) b) {
  const LAYER(pair) x = {vsubq_f64(a.low, b.low), vsubq_f64(a.high, b.high)};
  return x;
}
static inline TARGET float32x4_t LAYER(d_narrow)(LAYER(pair) x) {
  return vcvt_high_f32_f64(vcvt_f32_f64(x.low), x.high);
}
static inline TARGET LAYER(pair) LAYER(d_mul)(LAYER(pair) a, LAYER(pair) b) {
  const LAYER(pair) x = {vmulq_f64(a.low, b.low), vmulq_f64(a.high, b.high)};
  return x;
}
static inline TARGET LAYER(pair) LAYER(d_widen)(float32x4_t v) {
  const LAYER(pair) x = {vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v)};
  return x;
}
static inline TARGET void LAYER(d_store)(double *p, LAYER(pair) x) {
  vst1q_f64(p, x.low);
  vst1q_f64(p + 2, x.high);
}
