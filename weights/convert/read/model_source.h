/* A model file as a source: to be written again in another type, or compared. */
#ifndef DIT_MODEL_SOURCE_H
#define DIT_MODEL_SOURCE_H

#include "weights/convert/read/checkpoint.h"

/* Lists the tensors in `bytes`, q8 ones with their scales, and keeps the file's keys in s->model_file. */
dit_status model_source_list(const uint8_t *bytes, size_t size, const char *what, source *s, dit_error *error);

#endif
