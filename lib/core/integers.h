/* Integers: rounding, minimum and maximum, and splitting a range into parts. */
#ifndef DIT_INTEGERS_H
#define DIT_INTEGERS_H

#include <stddef.h>
#include <stdint.h>

/* The next multiple of 64. */
static inline size_t align64(size_t size) { return (size + 63) / 64 * 64; }
static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Part `index` of the range 0..total-1, which is split into `parts` of nearly equal length. Each part begins at a
 * multiple of `grain` and may be empty. */
static inline void split_range(int64_t total, int32_t parts, int32_t index, int64_t grain, int64_t *first,
                               int64_t *count) {
  const int64_t grains = ceil_div(total, grain);
  const int64_t begin = grains * index / parts * grain, end = grains * (index + 1) / parts * grain;
  *first = min64(begin, total);
  *count = min64(end, total) - *first;
}

#endif
