/* Reads elements of a checkpoint's tensors as float32. */
#include <math.h>
#include <string.h>

#include "lib/core/fp16.h"
#include "weights/convert/read/checkpoint.h"
#include "lib/core/little_endian.h"
#include "weights/convert/read/fp16.h"

/* The exponent of E4M3 is that of binary16 less 8, and its one magnitude that is no number is all ones. */
static float read_e4m3(uint8_t bits) {
  const uint16_t half = (uint16_t)((bits & 0x80) << 8 | (bits & 0x7f) << 7);
  return (bits & 0x7f) == 0x7f ? NAN : dit__float_from_half(half) * 256;
}

static const uint8_t element_sizes[] = {0, 4, 2, 2, 8, 0, 0, 1, 1}; /* in bytes, by CHECKPOINT_* */

size_t checkpoint_element_size(int type) { return element_sizes[type]; }

/* Reads contiguous elements, in blocks. */
static void read_halves(const uint8_t *p, uint64_t count, float *out) {
  for (uint64_t i = 0; i < count; i += HALF_BLOCK) {
    uint16_t bits[HALF_BLOCK] = {0};
    float values[HALF_BLOCK];
    size_t n = count - i < HALF_BLOCK ? (size_t)(count - i) : HALF_BLOCK;
    for (size_t k = 0; k < n; k++) bits[k] = load_le16(p + 2 * (i + k));
    half_block_to_float(bits, values);
    memcpy(out + i, values, n * sizeof *values);
  }
}

/* Reads `count` elements that are `stride` elements apart. */
static void read_run(int type, const uint8_t *p, uint64_t stride, uint64_t count, float *out) {
  switch (type) {
    case CHECKPOINT_F32:
      for (uint64_t i = 0; i < count; i++) out[i] = load_le_float(p + i * stride * 4);
      break;
    case CHECKPOINT_F16:
      if (stride == 1) {
        read_halves(p, count, out);
        break;
      }
      for (uint64_t i = 0; i < count; i++) out[i] = dit__float_from_half(load_le16(p + i * stride * 2));
      break;
    case CHECKPOINT_BF16:
      for (uint64_t i = 0; i < count; i++) out[i] = dit__float_from_bfloat(load_le16(p + i * stride * 2));
      break;
    case CHECKPOINT_F64:
      for (uint64_t i = 0; i < count; i++) out[i] = (float)load_le_double(p + i * stride * 8);
      break;
    case CHECKPOINT_E4M3:
      for (uint64_t i = 0; i < count; i++) out[i] = read_e4m3(p[i * stride]);
      break;
    case CHECKPOINT_E5M2: /* the upper half of a binary16 */
      for (uint64_t i = 0; i < count; i++) out[i] = dit__float_from_half((uint16_t)(p[i * stride] << 8));
      break;
  }
}

/* Likewise, for elements whose bytes are swapped. */
static void read_swapped(int type, const uint8_t *p, uint64_t stride, uint64_t count, float *out) {
  const uint64_t size = checkpoint_element_size(type);
  for (uint64_t i = 0; i < count; i++) {
    uint8_t bytes[8] = {0};
    for (uint64_t k = 0; k < size; k++) bytes[k] = p[i * stride * size + size - 1 - k];
    read_run(type, bytes, 1, 1, out + i);
  }
}

/* Merges the last extents, as far as their elements are evenly spaced, into one run of `length` elements that are
 * `stride` apart. Returns how many extents are left before them. */
static int find_run(const checkpoint_tensor *t, uint64_t *length, uint64_t *stride) {
  int rank = t->rank;
  *length = 1;
  *stride = 1;
  for (; rank > 0; rank--) {
    if (t->shape[rank - 1] == 1) continue; /* its stride means nothing */
    if (*length == 1)
      *stride = t->stride[rank - 1];
    else if (t->stride[rank - 1] != *length * *stride)
      break;
    *length *= t->shape[rank - 1];
  }
  return rank;
}

/* Reads elements of a matrix of int8, times the scale of their row. */
static void read_q8(const checkpoint_tensor *t, uint64_t first, uint64_t count, float *out) {
  const uint64_t columns = t->stride[0];
  for (uint64_t i = first; i < first + count; i++)
    *out++ = (float)(int8_t)t->data[i] * load_le_float(t->scale + i / columns * 4);
}

static void read_q4(const checkpoint_tensor *t, uint64_t first, uint64_t count, float *out) {
  const uint64_t columns = t->shape[1];
  while (count) {
    const uint64_t row = first / columns, within = first % columns;
    const uint64_t part = columns - within < count ? columns - within : count;
    const float scale = load_le_float(t->scale + row * 4);
    dit__q4_rows(&t->q4->weights, (int32_t)row, 1, t->q4->row);
    for (uint64_t i = 0; i < part; i++) *out++ = (float)t->q4->row[within + i] * scale;
    first += part;
    count -= part;
  }
}

static void read_one(const checkpoint_tensor *t, uint64_t first, uint64_t count, float *out) {
  uint64_t length, stride;
  int outer = find_run(t, &length, &stride);
  while (count) {
    uint64_t within = first % length, rest = first / length, offset = within * stride;
    for (int i = outer - 1; i >= 0; i--) {
      offset += rest % t->shape[i] * t->stride[i];
      rest /= t->shape[i];
    }
    uint64_t part = length - within < count ? length - within : count;
    (t->big_endian ? read_swapped : read_run)(t->type, t->data + offset * element_sizes[t->type], stride, part, out);
    first += part;
    count -= part;
    out += part;
  }
}

uint64_t checkpoint_elements(const checkpoint_tensor *t) {
  uint64_t count = 1;
  for (int i = 0; i < t->rank; i++) count *= t->shape[i];
  return count;
}

void checkpoint_read(const checkpoint_tensor *t, uint64_t first, uint64_t count, float *out) {
  if (!t->parts) {
    if (t->type == CHECKPOINT_Q8)
      read_q8(t, first, count, out);
    else if (t->type == CHECKPOINT_Q4)
      read_q4(t, first, count, out);
    else
      read_one(t, first, count, out);
    return;
  }
  for (int i = 0; i < t->part_count && count; i++) {
    uint64_t own = checkpoint_elements(&t->parts[i]);
    if (first < own) {
      uint64_t part = own - first < count ? own - first : count;
      checkpoint_read(&t->parts[i], first, part, out);
      out += part;
      count -= part;
      first = 0;
    } else {
      first -= own;
    }
  }
}
