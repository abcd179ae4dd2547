/* The safetensors format: a length, a JSON header, and the tensors' bytes without gaps. */
#ifndef DIT_CONVERT_SAFETENSORS_H
#define DIT_CONVERT_SAFETENSORS_H

#include "weights/convert/read/checkpoint.h"

/* Lists the floating-point tensors in `bytes`, which stay where they are: s->tensors, s->count and s->kind are filled,
 * as far as it got on failure. `what` names the file in messages. */
dit_status safetensors_list(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error);

#endif
