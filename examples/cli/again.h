/* --again: makes a picture again that dit made before. */
#ifndef CLI_AGAIN_H
#define CLI_AGAIN_H

#include "options.h"
#include "png.h"
#include "record.h"

typedef struct again {
  const char *path;
  png_file file;
  record original; /* what the text of the file says */
} again;

/* Reads the PNG that --again names, and sets the options that its text decides. Returns EXIT_OK and what again_free
 * frees, or another exit status after a message. */
int again_read(again *a, cli_options *options);
void again_free(again *a);

/* Checks that the model, the inputs and the result are those of the file. Each returns EXIT_OK, or EXIT_DIFFERS after
 * messages that say what differs. `model` may be NULL: the embedded model. */
int again_check_model(const again *a, const char *model, uint64_t model_hash);
int again_check_inputs(const again *a, uint64_t init_image_hash, uint64_t mask_hash);
/* Compares the size of the picture to make with the file's, and decodes the file's pixels; if these take much more memory
 * than the file is large, only if `allow_long`. */
int again_check_size(again *a, int32_t width, int32_t height, int allow_long);
int again_check_pixels(const again *a, const sheet *made);

#endif
