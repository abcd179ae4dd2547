/* Levels of the decoder in less memory. */
#ifndef DIT_VAE_BANDS_H
#define DIT_VAE_BANDS_H

#include "lib/nets/vae_layers.h"

/* dit__vae_decoder_level with the same bits, in the fastest way that keeps the workspace within `budget` bytes, or else
 * in the way that needs the fewest. */
void dit__vae_banded_level(dit__vae_run *run, int32_t level, size_t budget);

#endif
