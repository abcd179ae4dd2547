#include "weights/convert/read/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/platform.h"
#include "weights/convert/read/text.h"

char *file_join(const char *folder, const char *name) {
  size_t length = strlen(folder), size = length + strlen(name) + 2;
  char *path = (char *)malloc(size);
  const char *slash = length && (folder[length - 1] == '/' || folder[length - 1] == '\\') ? "" : "/";
  if (path) snprintf(path, size, "%s%s%s", folder, slash, name);
  return path;
}

int file_exists(const char *folder, const char *name) {
  char *path = file_join(folder, name);
  dit__file file;
  int found = path && !dit__file_open(path, DIT_LOAD_MAP, NULL, &file, NULL);
  if (found) dit__file_close(&file, NULL);
  free(path);
  return found;
}

int file_is_folder(const char *path) {
  /* Windows does not open folders like files; there, a folder counts if it has something to read. */
  if (file_exists(path, "config.json") || file_exists(path, "model_index.json")) return 1;
  char *inside = file_join(path, ".");
  FILE *folder = inside ? fopen(inside, "rb") : NULL;
  free(inside);
  if (folder) fclose(folder);
  return folder != NULL;
}

json_value *file_json(const char *path, size_t limit, dit_error *error) {
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

int file_stays_inside(const char *name) {
  if (!text_is_name(name, strlen(name)) || strpbrk(name, "\\:")) return 0;
  for (;;) {
    size_t length = strcspn(name, "/");
    if (length == 0 || strncmp(name, "..", length) == 0) return 0; /* "." too */
    if (!name[length]) return 1;
    name += length + 1;
  }
}
