/* Opens models. */
#ifndef DIT_MODEL_OPEN_H
#define DIT_MODEL_OPEN_H

#include "lib/model/model.h"

/* Opens the file at a path, or memory if `path` is NULL. The model has one reference. */
dit_status dit__model_open(const char *path, const void *data, size_t size, const dit_options *options, dit_model **out,
                           dit_error *error);

#endif
