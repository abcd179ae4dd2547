/* Checkpoints that a test writes, tensor by tensor, and folders of them. The test defines _DEFAULT_SOURCE first. */
#ifndef DIT_TEST_SAVED_H
#define DIT_TEST_SAVED_H

#include "tests/convert.h"

#include "weights/convert/read/open.h"

#define CHECKPOINTS "tests/golden/checkpoints/"

/* ---- Folders in the temporary one ---- */

static void make_folder(const char *name) { CHECK(mkdir(in_folder(name), 0700) == 0, "%s cannot be made", name); }

static void save_text(const char *name, const char *text) { save(in_folder(name), text, strlen(text)); }

static void copy(const char *from, const char *name) {
  size_t size;
  uint8_t *bytes = load(from, &size);
  if (CHECK(bytes != NULL, "%s cannot be read", from)) save(in_folder(name), bytes, size);
  free(bytes);
}

/* Removes what is in a folder of the temporary one, "" for itself, and the folder. */
static void clear(const char *name) {
  char path[128], inside[512];
  snprintf(path, sizeof path, "%s", in_folder(name));
  DIR *directory = opendir(path);
  for (struct dirent *entry; directory && (entry = readdir(directory));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
    if (remove(inside)) {
      snprintf(inside, sizeof inside, "%s%s%s", name, *name ? "/" : "", entry->d_name);
      clear(inside);
    }
  }
  if (directory) closedir(directory);
  if (*name) rmdir(path);
}

/* ---- Files of tensors, written by hand ---- */

typedef struct saved {
  char name[200];
  const checkpoint_tensor *from;
  float change;      /* added to the first element */
  const char *shape; /* as JSON, in place of its own */
} saved;

static void save_tensors(const char *path, const saved *list, size_t count) {
  char *header = (char *)malloc(300 * count + 100);
  size_t used = 8, offset = 0;
  used += (size_t)sprintf(header + used, "{");
  for (size_t i = 0; i < count; i++) {
    const checkpoint_tensor *t = list[i].from;
    size_t bytes = 4 * (size_t)checkpoint_elements(t);
    used += (size_t)sprintf(header + used, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[", i ? "," : "", list[i].name);
    if (list[i].shape) used += (size_t)sprintf(header + used, "%s", list[i].shape);
    for (int k = 0; k < t->rank && !list[i].shape; k++)
      used += (size_t)sprintf(header + used, "%s%d", k ? "," : "", (int)t->shape[k]);
    used += (size_t)sprintf(header + used, "],\"data_offsets\":[%zu,%zu]}", offset, offset + bytes);
    offset += bytes;
  }
  header[used++] = '}';
  uint64_t length = used - 8;
  memcpy(header, &length, 8);
  FILE *f = fopen(path, "wb");
  CHECK(f && fwrite(header, 1, used, f) == used, "%s cannot be written", path);
  for (size_t i = 0; i < count && f; i++) {
    uint64_t n = checkpoint_elements(list[i].from);
    float *values = (float *)malloc((size_t)n * 4);
    checkpoint_read(list[i].from, 0, n, values);
    values[0] += list[i].change;
    fwrite(values, 4, (size_t)n, f);
    free(values);
  }
  if (f) fclose(f);
  free(header);
}

/* All tensors of a source, with `prefix` before their names. */
static saved *all_of(const checkpoint *s, const char *prefix) {
  saved *list = (saved *)calloc(2 * s->count + 1, sizeof *list); /* room for as many again */
  for (size_t i = 0; i < s->count; i++) {
    snprintf(list[i].name, sizeof list[i].name, "%s%s", prefix, s->tensors[i].name);
    list[i].from = &s->tensors[i];
  }
  return list;
}

static checkpoint *open_golden(const char *name) {
  checkpoint *s = NULL;
  dit_error error = {0, ""};
  CHECK(checkpoint_open(name, NULL, &s, &error) == DIT_OK, "%s: %s", name, error.message);
  return s;
}

#endif
