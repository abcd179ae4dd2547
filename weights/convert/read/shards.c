#include "weights/convert/read/shards.h"

#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/files.h"
#include "weights/convert/read/text.h"

enum { INDEX_LIMIT = 64 << 20 }; /* bytes */

static dit_status fail_shard(const char *index, const char *name, const char *sentence, dit_error *error) {
  char shown[TEXT_SHOWN];
  return dit__fail(error, DIT_ERROR_FORMAT, "%s: the shard '%s' %s", index, text_shown(shown, name, strlen(name)),
                   sentence);
}

static int compare_keys(const void *a, const void *b) {
  return strcmp((*(const json_value *const *)a)->key, (*(const json_value *const *)b)->key);
}

/* Sorts the members of the weight_map by key, so that shards_check finds each tensor quickly. */
static dit_status sort_map(shard_index *x, const json_value *map, dit_error *error) {
  x->map = (const json_value **)malloc(map->count * sizeof *x->map);
  if (!x->map) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", x->path);
  for (const json_value *v = map->child; v; v = v->next) x->map[x->map_count++] = v;
  qsort(x->map, x->map_count, sizeof *x->map, compare_keys);
  return DIT_OK;
}

/* Collects the shards in the order in which the index first names them. */
static dit_status collect_names(shard_index *x, const json_value *map, dit_error *error) {
  for (const json_value *v = map->child; v; v = v->next) {
    size_t i = 0;
    if (v->kind != JSON_STRING || !file_stays_inside(v->text))
      return fail_shard(x->path, v->kind == JSON_STRING ? v->text : "?",
                        "must be a file in the folder of the index or below; absolute paths and '..' are refused",
                        error);
    while (i < x->count && strcmp(x->names[i], v->text)) i++;
    if (i < x->count) continue;
    if (x->count == MAX_SHARDS)
      return dit__fail(error, DIT_ERROR_FORMAT, "%s: more than %d shards", x->path, MAX_SHARDS);
    x->names[x->count++] = v->text;
  }
  return DIT_OK;
}

int shards_is_index(const uint8_t *bytes, size_t size) {
  static const char key[] = "\"weight_map\"";
  size_t length = sizeof key - 1, at = 0;
  while (at < size && at < 64 && bytes[at] <= ' ') at++;
  if (at == size || bytes[at] != '{') return 0;
  for (; at + length <= size && at < 65536; at++)
    if (memcmp(bytes + at, key, length) == 0) return 1;
  return 0;
}

dit_status shards_open(const char *path, shard_index *out, dit_error *error) {
  memset(out, 0, sizeof *out);
  out->path = path;
  out->text = file_json(path, INDEX_LIMIT, error);
  if (!out->text) return error ? error->status : DIT_ERROR_FORMAT;
  const json_value *map = json_member(out->text, "weight_map");
  const char *slash = strrchr(path, '/');
  out->folder = slash ? text_copy(path, (size_t)(slash - path) + 1) : text_copy("./", 2);
  if (!out->folder) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  if (!map || map->kind != JSON_OBJECT || !map->count)
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: the weight_map of an index must name tensors and files", path);
  dit_status status = collect_names(out, map, error);
  return status ? status : sort_map(out, map, error);
}

void shards_close(shard_index *index) {
  json_free(index->text);
  free((void *)index->map);
  free(index->folder);
  memset(index, 0, sizeof *index);
}

char *shards_path(const shard_index *index, size_t which) { return file_join(index->folder, index->names[which]); }

dit_status shards_check(const shard_index *index, size_t which, const checkpoint *s, size_t first, dit_error *error) {
  const char *name = index->names[which];
  if (s->model_file) return fail_shard(index->path, name, "is a model file", error);
  for (size_t i = first; i < s->count; i++) {
    json_value wanted;
    const json_value *key = &wanted;
    wanted.key = s->tensors[i].name;
    const json_value **hit =
        (const json_value **)bsearch(&key, index->map, index->map_count, sizeof *index->map, compare_keys);
    const json_value *file = hit ? *hit : NULL;
    if (file && strcmp(file->text, name) == 0) continue;
    char shown[TEXT_SHOWN], tensor[TEXT_SHOWN];
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: tensor '%s' is in the shard '%s', but the index has it %s",
                     index->path, text_shown(tensor, s->tensors[i].name, strlen(s->tensors[i].name)),
                     text_shown(shown, name, strlen(name)), file ? "in another" : "nowhere");
  }
  return DIT_OK;
}
