/* Files that appear whole under their name, or not at all: see new_file.h. */
#if !defined(_WIN32) && !defined(_XOPEN_SOURCE)
#define _XOPEN_SOURCE 700 /* fsync, fileno, lstat, readlink */
#endif
#include "programs/new_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_TRIES = 100, MAX_LINKS = 40, MAX_LINK = 4096, MAX_FILES = 4 };
enum { MAX_KEPT = 200, SUFFIX = 16 }; /* bytes of the target's name that the temporary one keeps, and what it adds */

/* A signal handler gets no pointer, so what it removes is listed here. */
static char *volatile unpublished[MAX_FILES];

static void list_file(char *from, char *to) {
  for (int i = 0; i < MAX_FILES; i++) {
    if (unpublished[i] != from) continue;
    unpublished[i] = to;
    return;
  }
}

static char *copy_bytes(const char *text, size_t length) {
  char *copy = (char *)malloc(length + 1);
  if (!copy) return NULL;
  memcpy(copy, text, length);
  copy[length] = 0;
  return copy;
}

/* ---- What systems do differently ---- */

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <io.h>
#include <process.h>
#include <windows.h>

static int process_number(void) { return _getpid(); }
static int synchronize(FILE *file) { return _commit(_fileno(file)); }
static char *follow_links(const char *path) { return copy_bytes(path, strlen(path)); }
static size_t folder_length(const char *path) {
  size_t length = strlen(path);
  while (length && !strchr("/\\:", path[length - 1])) length--;
  return length;
}

static int replace(const char *from, const char *to) {
  if (MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) return 0;
  errno = EACCES;
  return -1;
}

void new_file_remove_all(void) {
  for (int i = 0; i < MAX_FILES; i++)
    if (unpublished[i]) DeleteFileA(unpublished[i]);
}

#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int process_number(void) { return (int)getpid(); }

/* Some file systems cannot synchronize, and say EINVAL; they have nothing to wait for. */
static int synchronize(FILE *file) { return fsync(fileno(file)) && errno != EINVAL ? -1 : 0; }

/* The bytes of a path up to its last slash, with it. */
static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Returns where the link `at` points to; NULL: no memory, or no link any more. */
static char *follow_link(const char *at) {
  char *to = (char *)malloc(MAX_LINK + 1), *joined = NULL;
  const ssize_t length = to ? readlink(at, to, MAX_LINK) : -1;
  if (length >= 0) {
    to[length] = 0;
    const size_t folder = *to == '/' ? 0 : folder_length(at);
    joined = (char *)malloc(folder + (size_t)length + 1);
    if (joined) memcpy(joined, at, folder), memcpy(joined + folder, to, (size_t)length + 1);
  }
  free(to);
  return joined;
}

/* Returns the path of what links lead to, whether it exists or not. The caller frees it. */
static char *follow_links(const char *path) {
  char *at = copy_bytes(path, strlen(path));
  struct stat about;
  for (int links = 0; at; links++) {
    const int found = lstat(at, &about) == 0;
    if (found ? !S_ISLNK(about.st_mode) : errno == ENOENT) return at;
    char *next = found && links < MAX_LINKS ? follow_link(at) : NULL;
    if (links == MAX_LINKS) errno = ELOOP;
    const int why = errno;
    free(at);
    errno = why;
    at = next;
  }
  return NULL;
}

/* The name is in the folder already, so what goes wrong here is no failure. */
static void synchronize_folder(const char *path) {
  const size_t length = folder_length(path);
  char *folder = length ? copy_bytes(path, length) : copy_bytes(".", 1);
  const int descriptor = folder ? open(folder, O_RDONLY) : -1;
  if (descriptor >= 0) {
    fsync(descriptor);
    close(descriptor);
  }
  free(folder);
}

static int replace(const char *from, const char *to) {
  if (rename(from, to)) return -1;
  synchronize_folder(to);
  return 0;
}

void new_file_remove_all(void) {
  for (int i = 0; i < MAX_FILES; i++)
    if (unpublished[i]) unlink(unpublished[i]);
}
#endif

/* ---- Files ---- */

/* How many bytes of the target's path the temporary one begins with: a long name is cut, or it would be too long with
 * the suffix, between two characters of UTF-8. */
static size_t kept_length(const char *target) {
  const size_t folder = folder_length(target), length = strlen(target);
  size_t kept = length - folder > MAX_KEPT ? folder + MAX_KEPT : length;
  while (kept < length && kept > folder && ((unsigned char)target[kept] & 0xc0) == 0x80) kept--;
  return kept;
}

/* Creates a file that did not exist, PATH.tmp- and a number. What other runs left behind is in nobody's way: the number
 * depends on the process and the time. */
static FILE *create(const char *target, char *name) {
  const size_t kept = kept_length(target);
  unsigned number = (unsigned)process_number() * 2654435761u ^ (unsigned)time(NULL) * 2246822519u ^ (unsigned)clock();
  memcpy(name, target, kept);
  for (int i = 0; i < MAX_TRIES; i++) {
    snprintf(name + kept, SUFFIX, ".tmp-%08x", number + (unsigned)i * 40503u);
    FILE *file = fopen(name, "wbx");
    if (file || errno != EEXIST) return file;
  }
  return NULL;
}

int new_file_open(new_file *f, const char *path) {
  f->file = NULL;
  f->temporary = NULL;
  f->target = follow_links(path);
  if (!f->target) return -1;
  char *name = (char *)malloc(strlen(f->target) + SUFFIX + 1);
  if (name) f->file = create(f->target, name);
  if (!f->file) {
    const int why = errno;
    free(name);
    errno = why;
    return -1;
  }
  f->temporary = name;
  list_file(NULL, name);
  return 0;
}

int new_file_close(new_file *f) {
  int failed = fflush(f->file) || synchronize(f->file);
  const int why = errno;
  const int closed = fclose(f->file);
  f->file = NULL;
  if (failed) errno = why;
  return failed || closed ? -1 : 0;
}

/* The name of the temporary file is no longer ours. */
static void forget(new_file *f) {
  list_file(f->temporary, NULL);
  free(f->temporary);
  f->temporary = NULL;
}

int new_file_publish(new_file *f) {
  if (replace(f->temporary, f->target)) return -1;
  forget(f);
  return 0;
}

void new_file_end(new_file *f) {
  const int why = errno;
  if (f->file) fclose(f->file);
  if (f->temporary) {
    remove(f->temporary);
    forget(f);
  }
  free(f->target);
  f->file = NULL;
  f->target = NULL;
  errno = why;
}
