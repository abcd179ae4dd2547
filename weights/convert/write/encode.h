/* From float32 to the types of a model file. */
#ifndef DIT_CONVERT_ENCODE_H
#define DIT_CONVERT_ENCODE_H

#include "lib/model/gguf.h"

/* Rounds `count` values to `type` (F32, F16 or BF16; to the nearest, ties to even). Fails, naming the tensor, for a value
 * that is not finite or too large for the type. `out` and `values` may be the same. */
dit_status encode_values(const char *name, uint32_t type, const float *values, size_t count, void *out,
                         dit_error *error);

/* Rounds rows to int8 with one scale for each row: scale = max|w| / 127, q = w / scale to the nearest. */
dit_status encode_q8(const char *name, const float *values, size_t rows, size_t columns, int8_t *out, float *scales,
                     dit_error *error);

#endif
