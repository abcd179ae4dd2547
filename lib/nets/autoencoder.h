/* Plans of the autoencoder. */
#ifndef DIT_AUTOENCODER_H
#define DIT_AUTOENCODER_H

#include "lib/ops/plan.h"

/* Appends the decoding of latent * factor, [C][height][width], to image [image_channels][height * scale factor][width *
 * scale factor], in the fastest way that keeps the workspace within `budget` bytes, or else in the way that needs the
 * fewest. SIZE_MAX: the fastest way of all. */
void dit__plan_decode(dit__plan *plan, const dit__vae *vae, int32_t height, int32_t width, const float *latent,
                      double factor, size_t budget, float *image);

/* Appends the encoding of image [image_channels][height][width] to mean and logvar (either may be NULL). */
void dit__plan_encode(dit__plan *plan, const dit__vae *vae, int32_t height, int32_t width, const float *image,
                      float *mean, float *logvar);

#endif
