/* Writes a model file. */
#ifndef DIT_CONVERT_WRITE_MODEL_H
#define DIT_CONVERT_WRITE_MODEL_H

#include "weights/convert/shape/content.h"
#include "weights/convert/write/convert_options.h"
#include "weights/convert/write/progress.h"

/* Writes the file, and puts its size into *bytes, which may be NULL. Holds a few MB of weights at a time. */
dit_status model_write(const model_content *m, const convert_options *options, const char *path, const progress *watch,
                       uint64_t *bytes, dit_error *error);

#endif
