/* Folders as diffusers writes them: config.json beside the weights, which lie in one file, as a variant, or in shards.
 * This file finds them; open.c reads them. */
#ifndef DIT_CONVERT_FOLDER_H
#define DIT_CONVERT_FOLDER_H

#include "weights/convert/read/json.h"

typedef struct folder_weights {
  char *path;       /* to be freed */
  int is_index;     /* 1: the path leads to a list of shards (.index.json) */
  char variant[16]; /* such as "fp16"; "" for the plain weights */
} folder_weights;

/* Reads the configuration of a folder of one model into *config, which the caller frees also on failure, and finds its
 * weights: those of `variant`, or with NULL the plain ones, or else the first variant that is there. */
dit_status folder_open(const char *folder, const char *variant, json_value **config, folder_weights *out,
                       dit_error *error);

#endif
