/* Start pictures and masks. */
#ifndef CLI_START_H
#define CLI_START_H

#include "dit.h"

typedef struct start_pictures {
  uint8_t *images, *masks; /* [count][height][width][channels], [count][height][width]; the same for all; or NULL */
  uint64_t image_hash, mask_hash;
} start_pictures;

/* Reads the two files (NULL: none) for `count` pictures. EXIT_OK and what start_free frees, or another exit status
 * after a message. */
int start_read(start_pictures *s, const char *image, const char *mask, int32_t count, int32_t width, int32_t height,
               int32_t channels);
void start_free(start_pictures *s);

#endif
