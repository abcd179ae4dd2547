/* The geometry of a transformer, from its keys. */
#ifndef DIT_KEYS_DIT_H
#define DIT_KEYS_DIT_H

#include "lib/model/metadata.h"
#include "lib/model/model.h"

/* Fills in the geometry and the diffusion process, if the file has a transformer; else dit->present stays 0. */
void dit__keys_transformer(dit__metadata *keys, dit__transformer *dit);

#endif
