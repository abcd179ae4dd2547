/* What was found, for people. */
#ifndef DIT_CONVERT_DESCRIBE_H
#define DIT_CONVERT_DESCRIBE_H

#include "weights/convert/shape/content.h"
#include "weights/convert/write/convert_options.h"

/* The types a checkpoint's tensors have: "f16 and f32". */
void describe_types(const checkpoint *s, char out[48]);
/* A line on the standard output about the transformer or the autoencoder. */
void describe_network(const model_content *m, const convert_options *options, int network);

#endif
