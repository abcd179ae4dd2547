/* Output files, which appear complete or not at all. */
#if !defined(_WIN32) && !defined(_XOPEN_SOURCE)
#define _XOPEN_SOURCE 700 /* realpath, stat, strdup */
#endif
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#else
#include <sys/stat.h>
#endif

#include "interrupt.h"
#include "message.h"
#include "terminal.h"

enum { MAX_TRIES = 100 }; /* of names for a temporary file */

/* What a path names: a file, or nothing yet; a directory; or what a file must not replace, such as /dev/null or a pipe. */
enum { KIND_FILE, KIND_DIRECTORY, KIND_DEVICE };

static int fail_to_write(const char *path) {
  return fail(EXIT_FAILED, "%s: cannot be written: %s", path, strerror(errno));
}

static int write_all(FILE *file, const unsigned char *bytes, size_t size) {
  int failed = fwrite(bytes, 1, size, file) != size;
  return (fflush(file) != 0) | failed;
}

#ifdef _WIN32

static int find_kind(const char *path) { return (void)path, KIND_FILE; }
static char *follow_links(const char *path) { return _strdup(path); }
static int replace(const char *from, const char *to) { return remove(to), rename(from, to); }

#else

static int find_kind(const char *path) {
  struct stat about;
  if (stat(path, &about) != 0 || S_ISREG(about.st_mode)) return KIND_FILE;
  return S_ISDIR(about.st_mode) ? KIND_DIRECTORY : KIND_DEVICE;
}

/* Returns the file that a symbolic link points to, so that the link stays. The caller frees it. */
static char *follow_links(const char *path) {
  char *target = realpath(path, NULL);
  return target ? target : strdup(path);
}

static int replace(const char *from, const char *to) { return rename(from, to); }

#endif

static int write_stdout(const unsigned char *bytes, size_t size) {
#ifdef _WIN32
  _setmode(_fileno(stdout), _O_BINARY);
#endif
  return write_all(stdout, bytes, size) ? fail_to_write("standard output") : EXIT_OK;
}

static int write_device(const char *path, const unsigned char *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!file) return fail_to_write(path);
  int failed = write_all(file, bytes, size);
  return (fclose(file) != 0) | failed ? fail_to_write(path) : EXIT_OK;
}

/* Opens a new file in the folder of `path`, and sets *name to its name, which the caller frees. Returns NULL and sets
 * errno on failure. */
static FILE *open_temporary(const char *path, char **name) {
  size_t room = strlen(path) + 16;
  *name = (char *)malloc(room);
  if (!*name) return NULL;
  for (int i = 0; i < MAX_TRIES; i++) {
    snprintf(*name, room, "%s.%d.part", path, i);
    FILE *file = fopen(*name, "wbx");
    if (file) return file;
    if (errno != EEXIST) break;
  }
  free(*name);
  *name = NULL;
  return NULL;
}

static int write_file(const char *path, const unsigned char *bytes, size_t size) {
  char *part;
  FILE *file = open_temporary(path, &part);
  if (!file) return fail_to_write(path);
  int failed = write_all(file, bytes, size);
  failed = (fclose(file) != 0) | failed;
  int status = failed ? fail_to_write(path) : interrupt_status();
  if (status == EXIT_OK && replace(part, path)) status = fail_to_write(path);
  if (status != EXIT_OK) remove(part);
  free(part);
  return status;
}

int output_write(const char *path, const unsigned char *bytes, size_t size) {
  if (strcmp(path, "-") == 0) return write_stdout(bytes, size);
  if (find_kind(path) == KIND_DEVICE) return write_device(path, bytes, size);
  char *target = follow_links(path);
  if (!target) return fail(EXIT_FAILED, "out of memory");
  int status = write_file(target, bytes, size);
  free(target);
  return status;
}

int output_check(const char *path) {
  if (strcmp(path, "-") == 0) {
    if (!is_terminal(stdout)) return EXIT_OK;
    return fail(EXIT_USAGE, "-o -: the standard output is a terminal; redirect it to a file or a pipe");
  }
  int kind = find_kind(path);
  if (kind == KIND_DEVICE) return EXIT_OK;
  if (kind == KIND_DIRECTORY) return fail(EXIT_FAILED, "%s: is a directory; name a file in it", path);
  char *target = follow_links(path), *part = NULL;
  if (!target) return fail(EXIT_FAILED, "out of memory");
  FILE *file = open_temporary(target, &part);
  int status = file ? EXIT_OK : fail_to_write(path);
  if (file) fclose(file), remove(part);
  free(part);
  free(target);
  return status;
}
