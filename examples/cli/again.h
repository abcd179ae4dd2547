/* --again: a picture of ours, made again. */
#ifndef CLI_AGAIN_H
#define CLI_AGAIN_H

#include "options.h"
#include "png.h"
#include "record.h"

typedef struct again {
  const char *path;
  png_file file;
  record said;
} again;

/* Reads a PNG and sets the options that it decides. EXIT_OK and what again_free frees, or another exit status after a
 * message. */
int again_read(again *a, cli_options *options);
void again_free(again *a);

/* Whether this model and program can make it: EXIT_OK, or EXIT_DIFFERS after messages that say what differs. */
int again_check_model(const again *a, const char *model, uint64_t model_hash);
int again_check_start(const again *a, uint64_t start_hash, uint64_t mask_hash);
int again_check_pixels(const again *a, const sheet *made);

#endif
