/* From float32 to q4 (docs/q4.md). */
#ifndef DIT_CONVERT_ENCODE_Q4_H
#define DIT_CONVERT_ENCODE_Q4_H

#include "weights/convert/write/q4_inputs.h"

/* Returns the bytes of the codes of a whole matrix; the part that it is of a block, and the block among the `depth`
 * blocks of the model, decide how many bits its rows get. */
uint64_t q4_bytes(const dit__tensor *matrix, int depth);

/* Tables that all matrices share. */
typedef struct q4_encoder q4_encoder;
dit_status q4_encoder_open(q4_encoder **out, dit_error *error);
void q4_encoder_close(q4_encoder *e); /* may be NULL */

/* Some rows of a matrix, and where they go. */
typedef struct q4_rows {
  uint64_t first, count;
  const float *values; /* [count][k] */
  uint8_t *codes;      /* at most count * k bytes */
  int8_t *row_formats; /* [count] */
  float *scales;       /* [count] */
} q4_rows;

/* Rounds rows to codes, and puts the number of bytes of the codes into *size. Fails, naming the tensor, for a value that
 * is not finite. */
dit_status q4_encode(const q4_encoder *e, const dit__tensor *matrix, int depth, const q4_inputs *in,
                     const q4_rows *rows, size_t *size, dit_error *error);

#endif
