#include "weights/convert/read/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/platform.h"
#include "weights/convert/read/folder.h"
#include "weights/convert/read/legacy.h"
#include "weights/convert/read/model_source.h"
#include "weights/convert/read/safetensors.h"
#include "weights/convert/read/text.h"
#include "weights/convert/read/torch.h"

struct source_files {
  dit__file *mapped;
  size_t count;
};

/* ---- Files, by their content ---- */

static int begins(const uint8_t *bytes, size_t size, const char *mark, size_t length) {
  return size >= length && memcmp(bytes, mark, length) == 0;
}

static int is_text(const uint8_t *bytes, size_t size, size_t length) {
  for (size_t i = 0; i < length && i < size; i++) {
    uint8_t c = bytes[i];
    if (c >= 0x7f || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) return 0;
  }
  return 1;
}

/* The first character that is not space, of a file that begins with text; else 0. */
static char first_character(const uint8_t *bytes, size_t size) {
  if (!is_text(bytes, size, 16)) return 0;
  for (size_t i = 0; i < size && i < 64; i++) {
    if (bytes[i] > ' ') return (char)bytes[i];
  }
  return 0;
}

/* What a file that cannot be read is, and what to do about it. */
static const char *describe(const uint8_t *bytes, size_t size) {
  if (begins(bytes, size, "\x80", 1) && size > 1 && bytes[1] <= 5) {
    return "a bare pickle, not a checkpoint; load it in Python and torch.save the tensors";
  }
  if (size > 262 && memcmp(bytes + 257, "ustar", 5) == 0) {
    return "a tar archive, as the first versions of PyTorch wrote; load it in PyTorch and torch.save it again";
  }
  if (begins(bytes, size, "version https://git-lfs", 23)) {
    return "a git-lfs pointer in place of the file; run 'git lfs pull' where it came from";
  }
  if (begins(bytes, size, "\x1f\x8b", 2)) return "compressed with gzip; unpack it with gunzip first";
  if (first_character(bytes, size) == '<') return "a web page in place of the file; download the file itself";
  return "no file that is known here; PyTorch checkpoints, safetensors, diffusers folders and model files are read";
}

static int is_safetensors(const uint8_t *bytes, size_t size) {
  return size > 8 && bytes[8] == '{' && !is_text(bytes, size, 8);
}

dit_status source_list(source *s, const uint8_t *bytes, size_t size, const char *place, dit_error *error) {
  char first = first_character(bytes, size);
  if (begins(bytes, size, "PK\3\4", 4)) return torch_list(bytes, size, place, s, error);
  if (legacy_is(bytes, size)) return legacy_list(bytes, size, place, s, error);
  if (is_safetensors(bytes, size)) return safetensors_list(bytes, size, place, s, error);
  if (begins(bytes, size, "GGUF", 4)) return model_source_list(bytes, size, place, s, error);
  if (first == '{' || first == '[') {
    return dit__fail(
        error, DIT_ERROR_FORMAT,
        "%s: this is a JSON text, not weights; give the weights, their .index.json, or the folder with both", place);
  }
  return dit__fail(error, DIT_ERROR_FORMAT, "%s: this is %s", place, describe(bytes, size));
}

/* ---- What readers share ---- */

dit_status source_map(source *s, const char *path, const uint8_t **bytes, size_t *size, dit_error *error) {
  struct source_files *files = s->files;
  dit__file *grown = (dit__file *)realloc(files->mapped, (files->count + 1) * sizeof *grown);
  if (!grown) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  files->mapped = grown;
  dit_status status = dit__file_open(path, DIT_LOAD_MAP, NULL, &grown[files->count], error);
  if (status) return status;
  *bytes = grown[files->count].bytes;
  *size = grown[files->count++].size;
  return DIT_OK;
}

int source_reserve(source *s, size_t more) {
  source_tensor *grown = (source_tensor *)realloc(s->tensors, (s->count + more + 1) * sizeof *grown);
  if (grown) s->tensors = grown;
  return grown != NULL;
}

dit_status source_check_names(const source *s, const char *place, dit_error *error) {
  const char **names = (const char **)malloc((s->count + 1) * sizeof *names);
  if (!names) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", place);
  for (size_t i = 0; i < s->count; i++) names[i] = s->tensors[i].name;
  const char *twice = text_duplicate(names, s->count);
  char shown[TEXT_SHOWN];
  dit_status status = DIT_OK;
  if (twice) {
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: tensor '%s' is there twice", place,
                       text_shown(shown, twice, strlen(twice)));
  }
  free((void *)names);
  return status;
}

char *source_join(const char *folder, const char *name) {
  size_t length = strlen(folder), size = length + strlen(name) + 2;
  char *path = (char *)malloc(size);
  const char *slash = length && (folder[length - 1] == '/' || folder[length - 1] == '\\') ? "" : "/";
  if (path) snprintf(path, size, "%s%s%s", folder, slash, name);
  return path;
}

int source_exists(const char *folder, const char *name) {
  char *path = source_join(folder, name);
  dit__file file;
  int found = path && !dit__file_open(path, DIT_LOAD_MAP, NULL, &file, NULL);
  if (found) dit__file_close(&file, NULL);
  free(path);
  return found;
}

int source_is_folder(const char *path) {
  /* Where folders cannot be opened like files (Windows), one counts if it has something to read. */
  if (source_exists(path, "config.json") || source_exists(path, "model_index.json")) return 1;
  char *inside = source_join(path, ".");
  FILE *folder = inside ? fopen(inside, "rb") : NULL;
  free(inside);
  if (folder) fclose(folder);
  return folder != NULL;
}

json_value *source_json(const char *path, size_t limit, dit_error *error) {
  dit__file file;
  json_value *v = NULL;
  if (dit__file_open(path, DIT_LOAD_MAP, NULL, &file, error)) return NULL;
  if (file.size > limit)
    dit__fail(error, DIT_ERROR_FORMAT, "%s: more than %zu MB for a configuration", path, limit >> 20);
  else
    v = json_parse((const char *)file.bytes, file.size, path, error);
  dit__file_close(&file, NULL);
  return v;
}

/* ---- Opening and closing ---- */

dit_status source_open(const char *path, const char *variant, source **out, dit_error *error) {
  const uint8_t *bytes;
  size_t size;
  *out = NULL;
  source *s = (source *)calloc(1, sizeof *s);
  struct source_files *files = (struct source_files *)calloc(1, sizeof *files);
  if (!s || !files) {
    free(s);
    free(files);
    return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  }
  s->files = files;
  dit_status status = source_map(s, path, &bytes, &size, error);
  if (status == DIT_ERROR_IO && source_is_folder(path))
    status = folder_list(path, variant, s, error);
  else if (!status && folder_is_index(bytes, size))
    status = folder_list_shards(path, s, error);
  else if (!status)
    status = source_list(s, bytes, size, path, error);
  if (status)
    source_close(s);
  else
    *out = s;
  return status;
}

static void free_tensor(source_tensor *t) {
  for (int i = 0; i < t->part_count; i++) free(t->parts[i].name);
  free(t->parts);
  free(t->name);
  if (t->q4) free(t->q4->row_offsets), free(t->q4->row);
  free(t->q4);
}

void source_close(source *s) {
  if (!s) return;
  for (size_t i = 0; i < s->count; i++) free_tensor(&s->tensors[i]);
  free(s->tensors);
  json_free(s->config);
  free(s->decode_table);
  dit__gguf_close(s->model_file, NULL);
  for (size_t i = 0; i < s->files->count; i++) dit__file_close(&s->files->mapped[i], NULL);
  free(s->files->mapped);
  free(s->files);
  free(s);
}
