/* -i and --mask: init images and masks, read from PNG files. */
#ifndef CLI_INIT_IMAGE_H
#define CLI_INIT_IMAGE_H

#include "dit.h"

typedef struct init_image {
  uint8_t *images;                /* [count][height][width][channels], all equal; NULL without -i */
  uint8_t *masks;                 /* [count][height][width], all equal; NULL without --mask */
  uint64_t image_hash, mask_hash; /* FNV-1a of one image and one mask */
} init_image;

/* Reads both files for `count` pictures; a path may be NULL. `asked`: 1 if the user asked for this size, so that files may
 * unpack to it however small they are. Returns EXIT_OK and arrays for init_image_free, or another
 * exit status after a message. */
int init_image_read(init_image *init, const char *image, const char *mask, int32_t count, int32_t width, int32_t height,
                    int32_t channels, int asked);
void init_image_free(init_image *init);

#endif
