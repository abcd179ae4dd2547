/* PyTorch checkpoints from before version 1.6, which torch.save still writes with _use_new_zipfile_serialization=False:
 * a magic number, a version and the machine as pickles, the pickle of the object, the pickled list of storages, and the
 * storages, one after the other. */
#ifndef DIT_CONVERT_LEGACY_H
#define DIT_CONVERT_LEGACY_H

#include "weights/convert/read/checkpoint.h"

int legacy_is(const uint8_t *bytes, size_t size); /* by its magic number */
/* Likewise to torch_list. */
dit_status legacy_list(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error);

#endif
