/* PyTorch checkpoints as torch.save has written them since version 1.6: a zip archive with a pickle and raw storages.
 */
#ifndef DIT_CONVERT_TORCH_H
#define DIT_CONVERT_TORCH_H

#include "weights/convert/read/checkpoint.h"

/* Lists the floating-point tensors of the state dict in `bytes` (state_dict.h), which must outlive the checkpoint. `what`
 * names the file in messages. */
dit_status torch_list(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error);

#endif
