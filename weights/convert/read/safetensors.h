/* The safetensors format: a length, a JSON header, and the tensors' bytes without gaps. */
#ifndef DIT_CONVERT_SAFETENSORS_H
#define DIT_CONVERT_SAFETENSORS_H

#include "weights/convert/read/checkpoint.h"

/* Lists the floating-point tensors in `bytes`, which must outlive the checkpoint, in s->tensors; on failure, those that
 * came before. Sets s->kind. `what` names the file in messages. */
dit_status safetensors_list(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error);

#endif
