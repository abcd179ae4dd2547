/* A model file as a checkpoint, to be written again in another type, or compared. */
#ifndef DIT_CONVERT_MODEL_FILE_H
#define DIT_CONVERT_MODEL_FILE_H

#include "weights/convert/read/checkpoint.h"

/* Lists the tensors in `bytes`, q8 ones with their scales, and keeps the file's keys in s->model_file. */
dit_status model_file_list(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error);

#endif
