/* Start pictures and masks, for job_picture.c. A mask is 255 where pixels are repainted and 0 where they are kept. */
#ifndef DIT_INPAINT_H
#define DIT_INPAINT_H

#include "dit.h"

/* bytes [area][channels] -> image [channels][area] in [-1, 1]. */
void dit__inpaint_image(const uint8_t *bytes, int64_t area, int32_t channels, float *image);

/* mask [height*factor][width*factor] -> weights [height][width] in 0..1. */
void dit__inpaint_weights(const uint8_t *mask, int32_t height, int32_t width, int32_t factor, float *weights);

/* x = sqrt(a) clean + sqrt(1 - a) noise: a latent as it would be at that point of the schedule. */
void dit__inpaint_noised(double alpha_cumprod, int64_t count, const float *clean, const float *noise, float *x);

/* The same, mixed into x [channels][area]: weights of x, 1 - weights of that. */
void dit__inpaint_keep(double alpha_cumprod, int32_t channels, int64_t area, const float *weights, const float *clean,
                       const float *noise, float *x);

/* How far each pixel lies inside what is repainted, in steps to the nearest kept one (diagonals count 1), at most
 * `most` (up to 254). */
void dit__inpaint_depths(const uint8_t *mask, int32_t height, int32_t width, int32_t most, uint8_t *depth);

/* Puts repainted pixels [area][channels] together with the old ones: kept ones come back as they were, and from there
 * the new ones fade in over `fade` pixels. */
void dit__inpaint_compose(const uint8_t *mask, const uint8_t *depth, const uint8_t *old, int64_t area, int32_t channels,
                          int32_t fade, uint8_t *pixels);

#endif
