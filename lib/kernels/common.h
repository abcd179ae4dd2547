/* What all instruction sets share: exact fma, single numbers of stored types. */
#ifndef DIT_KERNELS_COMMON_H
#define DIT_KERNELS_COMMON_H

#include <math.h>
#include <string.h>

#include "lib/core/compiler.h"
#include "lib/core/fp16.h"
#include "lib/kernels/kernels.h"

enum { DIT__QUERIES = 24 };    /* rows of attention that share a pass over the keys */
enum { DIT__MAX_NR = 32 };     /* widest panel of any instruction set */
enum { DIT__TAPS_CHUNK = 16 }; /* channels of a convolution's weights at a time */

/* Tiles and columns of a Winograd convolution whose sums are kept at a time, 1.3 MB. */
enum { DIT__WINOGRAD_GROUP = 144, DIT__WINOGRAD_COLUMNS = 64 };

/* Rows that were packed together: about 200 KB, to stay in the second cache. */
enum { DIT__SLIVERS = 24, DIT__MAX_MR = 12 };
typedef struct dit__slivers {
  int32_t count, end; /* end: the first row that is not among them */
  int32_t row[DIT__SLIVERS], rows[DIT__SLIVERS];
} dit__slivers;

/* Memory that is brought nearer on the way, `step` lines of 64 bytes at a time. */
typedef struct dit__prefetch_cursor {
  dit__prefetch left; /* row: the one under way */
  ptrdiff_t at;       /* in the row, bytes */
  int64_t step;
} dit__prefetch_cursor;

/* In `times` steps. */
static inline dit__prefetch_cursor dit__prefetch_begin(dit__prefetch ahead, int64_t times) {
  const dit__prefetch_cursor fetching = {
      ahead, 0, ahead.rows && times ? (ahead.rows * ((ahead.width + 63) / 64) + times - 1) / times : 0};
  return fetching;
}

typedef void (*dit__tile)(const float *a, int32_t length, const float *b, float *c, ptrdiff_t c_stride, int32_t add,
                          const float *fetch);

/* a * b + c with one rounding. Without the instruction: the product is exact in double; the sum is rounded to odd
 * (TwoSum tells whether it was exact), so that the rounding to float is the only one that counts (Boldo & Melquiond
 * 2008). */
static inline float dit__fmaf(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  const double product = (double)a * b, addend = c;
  double sum = product + addend;
  const double part = sum - product;
  const double error = (product - (sum - part)) + (addend - part);
  uint64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if ((error < 0 || error > 0) && !(bits & 1)) { /* not for infinities, where it is NaN */
    bits += ((error > 0) == (sum > 0)) ? 1u : ~(uint64_t)0;
    memcpy(&sum, &bits, sizeof bits);
  }
  return (float)sum;
#endif
}

static inline float dit__sqrtf(float x) { return sqrtf(x); } /* IEEE: correctly rounded everywhere */

/* Number i of an array of any stored type at any alignment. */
static inline float dit__load_one(int32_t type, const uint8_t *x, int64_t i, float scale) {
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
