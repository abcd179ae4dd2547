/* The keys of a model file. */
#ifndef DIT_CONVERT_KEYS_H
#define DIT_CONVERT_KEYS_H

#include "weights/convert/shape/content.h"
#include "weights/convert/write/convert_options.h"
#include "weights/convert/write/gguf_write.h"

/* Writes the keys of a model that is made of checkpoints or by rule; those of a model file that is written again are
 * copied, except for what the options change. Fails with a question if something must be known that no input says. */
dit_status keys_write(gguf_writer *w, const model_content *m, const convert_options *options, dit_error *error);

#endif
