/* The geometry of an autoencoder, from its keys. */
#ifndef DIT_KEYS_VAE_H
#define DIT_KEYS_VAE_H

#include "lib/model/metadata.h"
#include "lib/model/model.h"

/* Fills in the geometry and which halves there are, if the file has an autoencoder. */
void dit__keys_autoencoder(dit__metadata *keys, dit__vae *vae);

#endif
