/* Folders as diffusers writes them: config.json beside the weights, in one file, as a variant, or in shards. */
#ifndef DIT_FOLDER_H
#define DIT_FOLDER_H

#include "weights/convert/read/checkpoint.h"

/* Reads the configuration and lists the weights of a folder of one model: s->config, s->tensors, s->kind. */
dit_status folder_list(const char *folder, const char *variant, source *s, dit_error *error);

/* Whether a file is a list of shards (.index.json), and the listing of the shards. Their names must lead to files in
 * the list's own folder or below. */
int folder_is_index(const uint8_t *bytes, size_t size);
dit_status folder_list_shards(const char *index, source *s, dit_error *error);

#endif
