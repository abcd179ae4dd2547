/* One tensor at a time: checked against a file, loaded from it. */
#ifndef DIT_TENSORS_H
#define DIT_TENSORS_H

#include "lib/model/tensor_list.h"

/* Checks that the file has the tensor, in a shape and of a type that can be loaded. */
dit_status dit__tensor_check(const dit__gguf *gguf, const dit__tensor *tensor, dit_error *error);

/* What the tensors of a model share while they are loaded. */
typedef struct dit__loader {
  dit_model *model;
  dit_error *error;
  uint64_t packed;        /* bytes that packing all matrices takes, as far as they are loaded */
  uint8_t *panels;        /* memory for matrices that are still to be packed */
  uint16_t *decode_table; /* of q4, made for the first matrix that needs it */
} dit__loader;

/* Fills in what the tensor is listed for: weights stay where they are in the file, or are copied on a big-endian machine;
 * vectors become float32. Fails only without memory. */
dit_status dit__tensor_load(dit__loader *loader, const dit__tensor *tensor);

/* Packs a matrix that was loaded, unless it is used too seldom, into loader->panels. Fails only without memory. */
dit_status dit__tensor_pack(dit__loader *loader, const dit__tensor *tensor);

#endif
