/* What a model file holds, with every key and tensor that matters checked. */
#ifndef DIT_CHECK_H
#define DIT_CHECK_H

#include "lib/model/model.h"

typedef struct dit__contents {
  dit__transformer dit; /* geometry; no weights yet */
  dit__vae vae;
  dit_info info;        /* everything but what depends on how the model is opened */
  uint64_t label_bytes; /* of all labels, with their zero bytes */
} dit__contents;

/* Checks everything that opening a model depends on, so that loading it can fail for lack of memory alone. Allocates
 * nothing, and reads no weights. On failure the message names the key or the tensor. */
dit_status dit__model_check(const dit__gguf *gguf, dit__contents *out, dit_error *error);

#endif
