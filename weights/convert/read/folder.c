#include "weights/convert/read/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/text.h"

enum { CONFIG_LIMIT = 1 << 20, INDEX_LIMIT = 64 << 20, SHARDS_MOST = 256 };

/* ---- Shards ---- */

/* Whether a name in an index leads to a file in the index's own folder or below it: "a.safetensors" or "b/c.bin", and
 * nothing absolute, no drive, no "..". */
static int is_inside(const char *name) {
  if (!text_is_name(name, strlen(name)) || strpbrk(name, "\\:")) return 0;
  for (;;) {
    size_t length = strcspn(name, "/");
    if (length == 0 || strncmp(name, "..", length) == 0) return 0; /* "." too */
    if (!name[length]) return 1;
    name += length + 1;
  }
}

static dit_status fail_shard(const char *index, const char *name, const char *sentence, dit_error *error) {
  char shown[TEXT_SHOWN];
  return dit__fail(error, DIT_ERROR_FORMAT, "%s: the shard '%s' %s", index, text_shown(shown, name, strlen(name)),
                   sentence);
}

static int compare_keys(const void *a, const void *b) {
  return strcmp((*(const json_value *const *)a)->key, (*(const json_value *const *)b)->key);
}

/* The members of the weight_map, sorted by key; NULL without memory. */
static const json_value **sort_map(const json_value *map) {
  const json_value **sorted = (const json_value **)malloc(map->count * sizeof *sorted);
  size_t count = 0;
  for (const json_value *v = map->child; sorted && v; v = v->next) sorted[count++] = v;
  if (sorted) qsort(sorted, count, sizeof *sorted, compare_keys);
  return sorted;
}

/* Tensors from `first` on were listed from the file `name`: the index must say so. */
static dit_status check_map(const char *index, const json_value **map, size_t count, const source *s, size_t first,
                            const char *name, dit_error *error) {
  for (size_t i = first; i < s->count; i++) {
    json_value wanted;
    const json_value *key = &wanted;
    wanted.key = s->tensors[i].name;
    const json_value **hit = (const json_value **)bsearch(&key, map, count, sizeof *map, compare_keys);
    const json_value *file = hit ? *hit : NULL;
    if (file && strcmp(file->text, name) == 0) continue;
    char shown[TEXT_SHOWN], tensor[TEXT_SHOWN];
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: tensor '%s' is in the shard '%s', but the index has it %s", index,
                     text_shown(tensor, s->tensors[i].name, strlen(s->tensors[i].name)),
                     text_shown(shown, name, strlen(name)), file ? "in another" : "nowhere");
  }
  return DIT_OK;
}

static dit_status list_shard(const char *index, const char *folder, const json_value **map, size_t count,
                             const char *name, source *s, dit_error *error) {
  const uint8_t *bytes;
  size_t size, first = s->count;
  char *path = source_join(folder, name);
  if (!path) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", index);
  dit_status status = source_map(s, path, &bytes, &size, error);
  if (!status) status = source_list(s, bytes, size, path, error);
  if (!status && s->model_file) status = fail_shard(index, name, "is a model file", error);
  if (!status) status = check_map(index, map, count, s, first, name, error);
  free(path);
  return status;
}

/* Shards in the order in which the index first names them. */
static dit_status list_map(const char *index, const char *folder, const json_value *map, source *s, dit_error *error) {
  const char *names[SHARDS_MOST];
  size_t count = 0;
  dit_status status = DIT_OK;
  for (const json_value *v = map->child; v; v = v->next) {
    size_t i = 0;
    if (v->kind != JSON_STRING || !is_inside(v->text))
      return fail_shard(index, v->kind == JSON_STRING ? v->text : "?",
                        "must be a file in the folder of the index or below; absolute paths and '..' are refused",
                        error);
    while (i < count && strcmp(names[i], v->text)) i++;
    if (i < count) continue;
    if (count == SHARDS_MOST) return dit__fail(error, DIT_ERROR_FORMAT, "%s: more than %d shards", index, SHARDS_MOST);
    names[count++] = v->text;
  }
  const json_value **sorted = sort_map(map);
  if (!sorted) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", index);
  for (size_t i = 0; !status && i < count; i++)
    status = list_shard(index, folder, sorted, map->count, names[i], s, error);
  free((void *)sorted);
  if (!status) status = source_check_names(s, index, error);
  char format[sizeof s->kind];
  memcpy(format, s->kind, sizeof format);
  snprintf(s->kind, sizeof s->kind, "%.50s, %zu shards", format, count);
  return status;
}

int folder_is_index(const uint8_t *bytes, size_t size) {
  static const char key[] = "\"weight_map\"";
  size_t length = sizeof key - 1, at = 0;
  while (at < size && at < 64 && bytes[at] <= ' ') at++;
  if (at == size || bytes[at] != '{') return 0;
  for (; at + length <= size && at < 65536; at++)
    if (memcmp(bytes + at, key, length) == 0) return 1;
  return 0;
}

dit_status folder_list_shards(const char *index, source *s, dit_error *error) {
  json_value *v = source_json(index, INDEX_LIMIT, error);
  if (!v) return error ? error->status : DIT_ERROR_FORMAT;
  const json_value *map = json_member(v, "weight_map");
  const char *slash = strrchr(index, '/');
  char *folder = slash ? text_copy(index, (size_t)(slash - index) + 1) : text_copy("./", 2);
  dit_status status;
  if (!folder)
    status = dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", index);
  else if (!map || map->kind != JSON_OBJECT || !map->count)
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: the weight_map of an index must name tensors and files", index);
  else
    status = list_map(index, folder, map, s, error);
  free(folder);
  json_free(v);
  return status;
}

/* ---- Folders ---- */

static dit_status read_config(source *s, const char *folder, dit_error *error) {
  char *path = source_join(folder, "config.json");
  if (!path) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", folder);
  s->config = source_json(path, CONFIG_LIMIT, error);
  free(path);
  if (!s->config) return error ? error->status : DIT_ERROR_FORMAT;
  if (s->config->kind != JSON_OBJECT) {
    return dit__fail(error, DIT_ERROR_FORMAT, "%s/config.json: not an object", folder);
  }
  static const char *const classes[] = {"AutoencoderKL", "DiTTransformer2DModel", "Transformer2DModel"};
  const json_value *name = json_member(s->config, "_class_name");
  if (!name) return DIT_OK;
  const char *text = name->kind == JSON_STRING ? name->text : "?";
  char shown[TEXT_SHOWN];
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    if (strcmp(text, classes[i]) == 0) return DIT_OK;
  return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                   "%s: a diffusers folder of class %s; those of DiTTransformer2DModel and AutoencoderKL are read",
                   folder, text_shown(shown, text, strlen(text)));
}

/* Lists the weights under one name; `index`: it is a list of shards. */
static dit_status list_weights(source *s, const char *folder, const char *name, int index, dit_error *error) {
  const uint8_t *bytes;
  size_t size;
  char *path = source_join(folder, name);
  if (!path) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", folder);
  dit_status status = index ? folder_list_shards(path, s, error) : source_map(s, path, &bytes, &size, error);
  if (!status && !index) status = source_list(s, bytes, size, path, error);
  if (!status && s->model_file)
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: a model file has no place in a diffusers folder", path);
  free(path);
  return status;
}

/* The weights of one variant, "" for the plain ones, in one file or in shards. 0: the folder has none, else 1 and the
 * status. */
static int list_variant(source *s, const char *folder, const char *variant, dit_status *status, dit_error *error) {
  static const char *const ends[] = {".safetensors", ".bin", ".json", ".json"};
  static const char *const starts[] = {"", "", ".safetensors.index", ".bin.index"};
  for (int i = 0; i < 4; i++) {
    char name[160], kind[sizeof s->kind];
    snprintf(name, sizeof name, "diffusion_pytorch_model%s%s%.40s%s", starts[i], *variant ? "." : "", variant, ends[i]);
    if (!source_exists(folder, name)) continue;
    *status = list_weights(s, folder, name, i >= 2, error);
    memcpy(kind, s->kind, sizeof kind);
    snprintf(s->kind, sizeof s->kind, "diffusers folder (%.40s%s%.12s)", kind, *variant ? ", " : "", variant);
    return 1;
  }
  return 0;
}

dit_status folder_list(const char *folder, const char *variant, source *s, dit_error *error) {
  static const char *const variants[] = {"", "fp16", "bf16", "fp32", "ema", "non_ema"};
  dit_status status = DIT_OK;
  if (source_exists(folder, "model_index.json"))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "%s: a whole diffusers pipeline where one model must be", folder);
  if (!source_exists(folder, "config.json"))
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: a folder without config.json; give a file or a diffusers folder",
                     folder);
  status = read_config(s, folder, error);
  if (status) return status;
  if (variant) {
    if (!is_inside(variant) || strchr(variant, '/'))
      return dit__fail(error, DIT_ERROR_ARGUMENT, "--variant must be a word such as fp16");
    if (list_variant(s, folder, variant, &status, error)) return status;
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: a folder without the variant %.40s of its weights", folder, variant);
  }
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
    if (list_variant(s, folder, variants[i], &status, error)) return status;
  return dit__fail(error, DIT_ERROR_FORMAT, "%s: a folder without diffusion_pytorch_model.safetensors or .bin", folder);
}
