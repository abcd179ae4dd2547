/* Paths, and small files of JSON. */
#ifndef DIT_CONVERT_FILES_H
#define DIT_CONVERT_FILES_H

#include "weights/convert/read/json.h"

/* Returns FOLDER/NAME, which the caller frees, or NULL without memory. */
char *file_join(const char *folder, const char *name);
/* Returns 1 if the folder has a file of that name that is not empty. */
int file_exists(const char *folder, const char *name);
int file_is_folder(const char *path);
/* Returns 1 if a name in a file from a stranger leads to a file in its own folder or below, such as "a.safetensors" or
 * "b/c.bin": nothing absolute, no drive, no "..". */
int file_stays_inside(const char *name);
/* Reads a JSON file of at most `limit` bytes. On failure NULL, with a sentence in *error. */
json_value *file_json(const char *path, size_t limit, dit_error *error);

#endif
