/* What was found, for people. */
#ifndef DIT_DESCRIBE_H
#define DIT_DESCRIBE_H

#include "weights/convert/shape/gather.h"

/* The types a checkpoint's tensors have: "f16 and f32". */
void describe_types(const source *s, char out[48]);
/* A line on the standard output about the transformer or the autoencoder. */
void describe_part(const model *m, const model_wishes *wishes, int kind);

#endif
