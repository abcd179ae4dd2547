/* Weights in several files, with a list that says which tensor is in which (.index.json). */
#ifndef DIT_CONVERT_SHARDS_H
#define DIT_CONVERT_SHARDS_H

#include "weights/convert/read/checkpoint.h"
#include "weights/convert/read/json.h"

enum { MAX_SHARDS = 256 };

typedef struct shard_index {
  const char *path;       /* of the list */
  char *folder;           /* of the list; the names are relative to it */
  json_value *text;       /* the list */
  const json_value **map; /* the members of its weight_map, sorted by key */
  size_t map_count;
  const char *names[MAX_SHARDS]; /* of the files, in the order in which the list first names them */
  size_t count;
} shard_index;

int shards_is_index(const uint8_t *bytes, size_t size);
/* Reads a list; `path` must outlive it. Fails if a name leads to a file outside the list's own folder. shards_close must
 * follow, also on failure. */
dit_status shards_open(const char *path, shard_index *out, dit_error *error);
void shards_close(shard_index *index);
char *shards_path(const shard_index *index, size_t which); /* to be freed; NULL without memory */
/* Checks that the tensors from `first` on, which shard `which` was found to hold, are those the list says it has. */
dit_status shards_check(const shard_index *index, size_t which, const checkpoint *s, size_t first, dit_error *error);

#endif
