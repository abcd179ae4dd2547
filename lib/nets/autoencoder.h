/* Plans of the autoencoder. */
#ifndef DIT_AUTOENCODER_H
#define DIT_AUTOENCODER_H

#include "lib/ops/plan.h"

/* Appends the decoding of one latent [C][height][width] * factor to image [image_channels][..][..], within `budget`
 * bytes of the arena if that can be done, else in as few as can be; the faster the better. SIZE_MAX: the fastest. */
void dit__plan_decode(dit__plan *plan, const dit__vae *vae, int32_t height, int32_t width, const float *latent,
                      double factor, size_t budget, float *image);

/* Appends the encoding of image [image_channels][height][width] to mean and logvar (either may be NULL). */
void dit__plan_encode(dit__plan *plan, const dit__vae *vae, int32_t height, int32_t width, const float *image,
                      float *mean, float *logvar);

#endif
