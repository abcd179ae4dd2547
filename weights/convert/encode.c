#include "weights/convert/encode.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "internal.h"
#include "weights/convert/half.h"

static dit_status refuse(const char *name, float value, const char *why, dit_error *error) {
  return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: holds %g, which %s", name, (double)value, why);
}

static int is_finite(float value) { return value >= -FLT_MAX && value <= FLT_MAX; }

dit_status encode_values(const char *name, uint32_t type, const float *values, size_t count, void *out,
                         dit_error *error) {
  uint8_t *bytes = (uint8_t *)out;
  for (size_t i = 0; i < count; i++) {
    float value = values[i];
    uint16_t bits;
    if (!is_finite(value)) return refuse(name, value, "is not a finite number", error);
    if (type == DIT__GGUF_F32) {
      memcpy(bytes + 4 * i, &value, 4);
      continue;
    }
    bits = type == DIT__GGUF_F16 ? half_from_float(value) : bfloat_from_float(value);
    if ((bits & 0x7fff) == (type == DIT__GGUF_F16 ? 0x7c00 : 0x7f80))
      return refuse(name, value,
                    type == DIT__GGUF_F16 ? "is too large for f16; use --type bf16 or f32"
                                          : "is too large for bf16; use --type f32",
                    error);
    memcpy(bytes + 2 * i, &bits, 2);
  }
  return DIT_OK;
}

dit_status encode_q8(const char *name, const float *values, size_t rows, size_t columns, int8_t *out, float *scales,
                     dit_error *error) {
  for (size_t r = 0; r < rows; r++, values += columns, out += columns) {
    float most = 0;
    for (size_t i = 0; i < columns; i++) {
      float size = fabsf(values[i]);
      if (!is_finite(values[i])) return refuse(name, values[i], "is not a finite number", error);
      if (size > most) most = size;
    }
    float scale = most / 127;
    for (size_t i = 0; i < columns; i++) {
      double q = scale > 0 ? nearbyint((double)values[i] / (double)scale) : 0;
      out[i] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
    }
    scales[r] = scale;
  }
  return DIT_OK;
}
