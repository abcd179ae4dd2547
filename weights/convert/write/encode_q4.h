/* From float32 to q4 (docs/q4.md). */
#ifndef DIT_ENCODE_Q4_H
#define DIT_ENCODE_Q4_H

#include "weights/convert/write/q4_inputs.h"

/* Bytes of the codes of a whole matrix; each row has the bits that its errors are worth. depth: blocks of the model. */
uint64_t q4_bytes(const char *name, uint64_t rows, uint64_t columns, int depth);

typedef struct q4_encoder q4_encoder;

dit_status q4_encoder_open(q4_encoder **out, dit_error *error);
void q4_encoder_close(q4_encoder *e); /* NULL is fine */

/* Rows first..first+count-1 of `rows`, of in->k columns each, to codes (*size bytes of them), row_formats and scales.
 * FORMAT, naming the tensor, for a value that is not finite. */
dit_status q4_encode(const q4_encoder *e, const char *name, const q4_inputs *in, int depth, const float *values,
                     uint64_t first, uint64_t count, uint64_t rows, uint8_t *codes, size_t *size, int8_t *row_formats,
                     float *scales, dit_error *error);

#endif
