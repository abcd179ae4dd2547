#include "weights/convert/write/encode.h"

#include <float.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/little_endian.h"
#include "weights/convert/read/fp16.h"

static dit_status refuse(const char *name, float value, const char *why, dit_error *error) {
  return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: holds %g, which %s", name, (double)value, why);
}

static int is_finite(float value) { return value >= -FLT_MAX && value <= FLT_MAX; }

/* Finds the value in a block that does not fit, and refuses it. */
static dit_status refuse_block(const char *name, uint32_t type, const float *values, size_t count, dit_error *error) {
  for (size_t i = 0; i < count; i++) {
    float value = values[i];
    if (!is_finite(value)) return refuse(name, value, "is not a finite number", error);
    if (type == DIT__GGUF_F16 && (half_from_float(value) & 0x7fff) == 0x7c00)
      return refuse(name, value, "is too large for f16; use --type bf16 or f32", error);
    if (type == DIT__GGUF_BF16 && (bfloat_from_float(value) & 0x7fff) == 0x7f80)
      return refuse(name, value, "is too large for bf16; use --type f32", error);
  }
  return DIT_OK;
}

dit_status encode_values(const char *name, uint32_t type, const float *values, size_t count, void *out,
                         dit_error *error) {
  static const float limits[] = {FLT_MAX, 65519.996f,
                                 0x1.feffep127f}; /* of f32, f16, bf16: larger values may not fit */
  const float limit = limits[type == DIT__GGUF_F16 ? 1 : type == DIT__GGUF_BF16 ? 2 : 0];
  uint8_t *bytes = (uint8_t *)out;
  for (size_t i = 0; i < count; i += HALF_BLOCK) {
    size_t n = count - i < HALF_BLOCK ? count - i : HALF_BLOCK;
    float block[HALF_BLOCK] = {0};
    uint16_t bits[HALF_BLOCK];
    memcpy(block, values + i, n * sizeof *block);
    if (!(half_block_max(block) <= limit)) {
      dit_status status = refuse_block(name, type, block, n, error);
      if (status) return status;
    }
    if (type == DIT__GGUF_F32) {
      copy_le(bytes + 4 * i, block, 4, n);
      continue;
    }
    (type == DIT__GGUF_F16 ? half_block_from_float : bfloat_block_from_float)(block, bits);
    copy_le(bytes + 2 * i, bits, 2, n);
  }
  return DIT_OK;
}

/* Returns the largest absolute value of a row; infinity or a NaN if the row has one. */
static float row_max(const float *values, size_t columns) {
  float most = 0;
  for (size_t i = 0; i < columns; i += HALF_BLOCK) {
    float block[HALF_BLOCK] = {0};
    size_t n = columns - i < HALF_BLOCK ? columns - i : HALF_BLOCK;
    memcpy(block, values + i, n * sizeof *block);
    float own = half_block_max(block);
    if (!(own <= most)) most = own;
    if (!is_finite(most)) break;
  }
  return most;
}

dit_status encode_q8(const char *name, const float *values, size_t rows, size_t columns, int8_t *out, float *scales,
                     dit_error *error) {
  for (size_t r = 0; r < rows; r++, values += columns, out += columns) {
    float most = row_max(values, columns), scale = most / 127;
    if (!is_finite(most)) return refuse_block(name, DIT__GGUF_F32, values, columns, error);
    scales[r] = scale;
    if (!(scale > 0)) {
      memset(out, 0, columns);
      continue;
    }
    for (size_t i = 0; i < columns; i++) {
      /* Beyond 2^52 doubles are integers: the sum is rounded to the nearest, ties to even. */
      double q = (double)values[i] / (double)scale + 0x1.8p52 - 0x1.8p52;
      out[i] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
    }
  }
  return DIT_OK;
}
