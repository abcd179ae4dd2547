/* Opens what a path leads to. */
#ifndef DIT_CONVERT_OPEN_H
#define DIT_CONVERT_OPEN_H

#include "weights/convert/read/checkpoint.h"

/* Opens a PyTorch checkpoint (.pt .pth .bin .ckpt), a .safetensors file, a list of shards (.index.json), a model file,
 * or a diffusers folder; their content tells them apart. `variant` names one of a folder's sets of weights ("fp16");
 * with NULL the plain ones are taken, or else the first variant that is there. On failure *out is NULL, and the sentence
 * in *error begins with the file's name. */
dit_status checkpoint_open(const char *path, const char *variant, checkpoint **out, dit_error *error);

#endif
