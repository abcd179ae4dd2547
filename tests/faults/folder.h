/* Files of the current folder, for the programs that try what becomes of them. */
#ifndef DIT_FAULTS_FOLDER_H
#define DIT_FAULTS_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 64 << 20 };

static char *load(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  *size = 0;
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  const long length = ftell(file);
  char *bytes = length >= 0 && length <= MAX_FILE ? malloc((size_t)length + 1) : NULL;
  rewind(file);
  if (bytes) *size = fread(bytes, 1, (size_t)length, file);
  if (bytes) bytes[*size] = 0;
  fclose(file);
  return bytes;
}

static void store(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) {
    perror(path);
    exit(2);
  }
}

static int holds(const char *path, const void *bytes, size_t size) {
  size_t found;
  char *now = load(path, &found);
  const int same = now && found == size && !memcmp(now, bytes, size);
  free(now);
  return same;
}

/* Names in the current folder, in one string; removes those that `keep` does not have. */
static void list(char *names, size_t room, const char *keep) {
  DIR *folder = opendir(".");
  names[0] = 0;
  for (const struct dirent *entry; folder && (entry = readdir(folder));) {
    if (entry->d_name[0] == '.' && (!entry->d_name[1] || !strcmp(entry->d_name, ".."))) continue;
    char line[300];
    snprintf(line, sizeof line, "|%s|", entry->d_name);
    if (keep && strstr(keep, line)) continue;
    strncat(names, line, room - strlen(names) - 1);
    if (keep) remove(entry->d_name);
  }
  if (folder) closedir(folder);
}

/* The last part of a path. */
static const char *file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

#endif
