#include "weights/convert/read/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/platform.h"
#include "programs/mapped_file.h"
#include "weights/convert/read/text.h"

typedef struct watched_file {
  dit__file mapped;
  mapped_file *watch;
} watched_file;

struct checkpoint_files {
  watched_file *list;
  size_t count;
};

checkpoint *checkpoint_new(void) {
  checkpoint *s = (checkpoint *)calloc(1, sizeof *s);
  struct checkpoint_files *files = (struct checkpoint_files *)calloc(1, sizeof *files);
  if (s && files) {
    s->files = files;
    return s;
  }
  free(s);
  free(files);
  return NULL;
}

dit_status checkpoint_map(checkpoint *s, const char *path, const uint8_t **bytes, size_t *size, dit_error *error) {
  struct checkpoint_files *files = s->files;
  watched_file *grown = (watched_file *)realloc(files->list, (files->count + 1) * sizeof *grown), *file;
  if (!grown) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  files->list = grown;
  file = &grown[files->count];
  file->watch = mapped_file_watch(path);
  if (!file->watch) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  dit_status status = dit__file_open(path, DIT_LOAD_MAP, NULL, &file->mapped, error);
  if (status) {
    mapped_file_forget(file->watch);
    return status;
  }
  *bytes = file->mapped.bytes;
  *size = file->mapped.size;
  files->count++;
  return DIT_OK;
}

int checkpoint_reserve(checkpoint *s, size_t more) {
  checkpoint_tensor *grown = (checkpoint_tensor *)realloc(s->tensors, (s->count + more + 1) * sizeof *grown);
  if (grown) s->tensors = grown;
  return grown != NULL;
}

dit_status checkpoint_check_names(const checkpoint *s, const char *place, dit_error *error) {
  const char **names = (const char **)malloc((s->count + 1) * sizeof *names);
  if (!names) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", place);
  for (size_t i = 0; i < s->count; i++) names[i] = s->tensors[i].name;
  const char *twice = text_duplicate(names, s->count);
  char shown[TEXT_SHOWN];
  dit_status status = DIT_OK;
  if (twice) {
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: tensor '%s' occurs twice", place,
                       text_shown(shown, twice, strlen(twice)));
  }
  free((void *)names);
  return status;
}

const checkpoint_tensor *checkpoint_find(const checkpoint *s, const char *name) {
  for (size_t i = 0; i < s->count; i++)
    if (strcmp(s->tensors[i].name, name) == 0) return &s->tensors[i];
  return NULL;
}

static void free_tensor(checkpoint_tensor *t) {
  for (int i = 0; i < t->part_count; i++) free(t->parts[i].name);
  free(t->parts);
  free(t->name);
  if (t->q4) free(t->q4->row_offsets), free(t->q4->row);
  free(t->q4);
}

void checkpoint_close(checkpoint *s) {
  if (!s) return;
  for (size_t i = 0; i < s->count; i++) free_tensor(&s->tensors[i]);
  free(s->tensors);
  json_free(s->config);
  free(s->decode_table);
  dit__gguf_close(s->model_file, NULL);
  for (size_t i = 0; i < s->files->count; i++) {
    dit__file_close(&s->files->list[i].mapped, NULL);
    mapped_file_forget(s->files->list[i].watch);
  }
  free(s->files->list);
  free(s->files);
  free(s);
}
