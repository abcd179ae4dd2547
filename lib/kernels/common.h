/* What the files of all instruction sets share: sizes, prefetch cursors, and arithmetic on single numbers. */
#ifndef DIT_KERNELS_COMMON_H
#define DIT_KERNELS_COMMON_H

#include <math.h>
#include <string.h>

#include "lib/core/compiler.h"
#include "lib/core/fp16.h"
#include "lib/kernels/kernels.h"

enum { DIT__MAX_NR = 32, DIT__MAX_MR = 12 }; /* of any instruction set */
enum { DIT__QUERIES = 24 };                  /* queries that share one pass over the keys; a multiple of every MR */
enum { DIT__TAPS_CHUNK = 16 };               /* channels of a convolution's weights that are packed at a time */

enum { DIT__WINOGRAD_STRIP = 32 }; /* channels that are transformed at a time */

/* Winograd tiles and columns whose sums are kept at a time: 1.3 MB. */
enum { DIT__WINOGRAD_GROUP = 144, DIT__WINOGRAD_COLUMNS = 64 };

/* Row panels that are packed together, block by block: about 200 KB, so that they stay in L2 while all panels of
 * weights pass. */
enum { DIT__MAX_ROW_PANELS = 24 };
typedef struct dit__row_panels {
  int32_t count;
  int32_t end;                                                 /* the first row behind them */
  int32_t row[DIT__MAX_ROW_PANELS], rows[DIT__MAX_ROW_PANELS]; /* of each: the first, and how many (at most MR) */
} dit__row_panels;

/* Computes a tile of sums; gemm_f32.h says how. */
typedef void (*dit__ukernel)(const float *a, int32_t length, const float *b, float *c, ptrdiff_t c_stride, int32_t add,
                             const float *prefetch);

/* A range of memory that is prefetched in even steps while something else is computed. */
typedef struct dit__prefetch_cursor {
  dit__prefetch left; /* left.row: the row under way */
  ptrdiff_t offset;   /* in that row, bytes */
  int64_t lines_per_step;
} dit__prefetch_cursor;

static inline dit__prefetch_cursor prefetch_begin(dit__prefetch range, int64_t steps) {
  dit__prefetch_cursor cursor = {.left = range};
  const int64_t lines = range.rows * ((range.width + 63) / 64); /* of 64 bytes */
  if (lines && steps) cursor.lines_per_step = (lines + steps - 1) / steps;
  return cursor;
}

static inline int32_t min32(int32_t a, int32_t b) { return a < b ? a : b; }

/* Returns a * b + c with one rounding. Without the instruction (or with DIT_EMULATE_FMA, for tests): the product is
 * exact in double; the sum is rounded to odd (TwoSum finds whether it is exact), so that the rounding to float is the
 * only one that counts (Boldo & Melquiond 2008). */
static inline float f32_fma(float a, float b, float c) {
#if !defined(DIT_EMULATE_FMA) && \
    (defined(__FMA__) || defined(__FP_FAST_FMAF) || defined(__aarch64__) || defined(__ARM_FEATURE_FMA))
  return __builtin_fmaf(a, b, c);
#else
  const double product = (double)a * b, addend = c;
  double sum = product + addend;
  uint64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  /* The rounding of the sum itself only matters halfway between two floats, or where floats are subnormal. */
  if ((bits & 0x1fffffff) != 0x10000000 && fabs(sum) >= 0x1p-126) return (float)sum;
  const double part = sum - product;
  const double error = (product - (sum - part)) + (addend - part);
  if ((error < 0 || error > 0) && !(bits & 1)) { /* not for infinities, where it is NaN */
    bits += ((error > 0) == (sum > 0)) ? 1u : ~(uint64_t)0;
    memcpy(&sum, &bits, sizeof bits);
  }
  return (float)sum;
#endif
}

static inline float f32_sqrt(float x) { return sqrtf(x); } /* IEEE 754: correctly rounded everywhere */

/* Returns number i of an array of a stored type (dit__weight_type, not Q4) at any alignment; int8 times scale. */
static inline float f32_load(int32_t type, const uint8_t *x, int64_t i, float scale) {
  float value;
  uint16_t half;
  switch (type) {
    case DIT__F32: memcpy(&value, x + i * 4, 4); return value;
    case DIT__F16: memcpy(&half, x + i * 2, 2); return dit__float_from_half(half);
    case DIT__BF16: memcpy(&half, x + i * 2, 2); return dit__float_from_bfloat(half);
    default: return (float)(int8_t)x[i] * scale;
  }
}

#endif
