/* Starting from pictures, and masks: from bytes to what the encoder takes, and back to bytes that keep what was to be
 * kept. A mask is 255 where a pixel is repainted and 0 where it is kept. */
#ifndef DIT_INPAINT_H
#define DIT_INPAINT_H

#include "lib/sampling/schedule.h"

/* image [channels][area] = bytes [area][channels] / 127.5 - 1. Where alpha is 0, the colour becomes 0, for it is not
 * visible and may be anything. */
void dit__inpaint_image(const uint8_t *bytes, int64_t area, int32_t channels, float *image);

/* mask [height * factor][width * factor] -> weights [height][width] in [0, 1]: the mean of the mask over the pixels of
 * each latent pixel. */
void dit__inpaint_weights(const uint8_t *mask, int32_t height, int32_t width, int32_t factor, float *weights);

/* x = data * x0 + noise: adds noise to a latent, up to a point of the schedule (Ho et al. 2020, equation 4). */
void dit__inpaint_noised(dit__mixture mixture, int64_t count, const float *x0, const float *noise, float *x);

/* x [channels][area] = weight * x + (1 - weight) * (x0 with noise added as above): where the mask keeps the picture,
 * the latent stays that of the picture. */
void dit__inpaint_keep(dit__mixture mixture, int32_t channels, int64_t area, const float *weights, const float *x0,
                       const float *noise, float *x);

/* depth [height][width]: how many pixels a pixel is away from the nearest kept one, where a diagonal step counts 1; 0
 * for kept ones, at most `limit` (1..254). */
void dit__inpaint_depths(const uint8_t *mask, int32_t height, int32_t width, int32_t limit, uint8_t *depth);

/* Composes repainted pixels [area][channels] with the old ones, in place: kept pixels become the old ones to the byte,
 * and from there the new ones fade in over `fade` pixels. depth is dit__inpaint_depths' with the limit `fade`. */
void dit__inpaint_compose(const uint8_t *mask, const uint8_t *depth, const uint8_t *old, int64_t area, int32_t channels,
                          int32_t fade, uint8_t *pixels);

#endif
