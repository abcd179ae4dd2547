/* The linear map from latents to pixels that gives a cheap preview. */
#ifndef DIT_CONVERT_PREVIEW_H
#define DIT_CONVERT_PREVIEW_H

#include "dit.h"
#include "weights/convert/write/progress.h"

/* Fits the map of the model file `path` by least squares: many random latents are decoded and averaged down to the
 * latents' size; image_channels rows of latent_channels weights (for latents in the transformer's scale) and a bias,
 * pixels in -1..1, become the key dit.preview. The file is then written again, to `out` (which may be `path`).
 * `options`, which may be NULL, are those of the decoder.
 * `error_rms` receives the root mean square error of the fit, in pixels' units.
 * Any autoencoder may be in the file: unless `allow_long`, one that would decode for more than about an hour on one thread
 * is refused with DIT_ERROR_UNSUPPORTED, and one that needs more than 2 GB of workspace with DIT_ERROR_MEMORY. */
dit_status preview_fit(const char *path, const char *out, const dit_options *options, int allow_long,
                       const progress *watch, double *error_rms, dit_error *error);

#endif
