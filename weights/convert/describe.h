/* Prints what was found in the inputs. */
#ifndef DIT_CONVERT_DESCRIBE_H
#define DIT_CONVERT_DESCRIBE_H

#include "weights/convert/shape/content.h"
#include "weights/convert/write/convert_options.h"

/* Writes the types that a checkpoint's tensors have: "f16 and f32". */
void describe_types(const checkpoint *s, char out[64]);
/* Prints a line about the transformer or the autoencoder. */
void describe_network(const model_content *m, const convert_options *options, int network);

#endif
