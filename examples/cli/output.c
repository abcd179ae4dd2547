/* Output files, which appear complete or not at all. */
#if !defined(_WIN32) && !defined(_XOPEN_SOURCE)
#define _XOPEN_SOURCE 700 /* stat */
#endif
#include "output.h"

#include <errno.h>
#include <string.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#else
#include <sys/stat.h>
#endif

#include "interrupt.h"
#include "message.h"
#include "programs/new_file.h"
#include "terminal.h"

/* What a path names: a file, or nothing yet; a directory; or what a file must not replace, such as /dev/null or a pipe. */
enum { KIND_FILE, KIND_DIRECTORY, KIND_DEVICE };

static int fail_to_write(const char *path) {
  return fail(EXIT_FAILED, "%s: cannot be written: %s", path, strerror(errno));
}

static int write_all(FILE *file, const unsigned char *bytes, size_t size) {
  int failed = fwrite(bytes, 1, size, file) != size;
  return (fflush(file) != 0) | failed;
}

static int find_kind(const char *path) {
#ifdef _WIN32
  (void)path;
  return KIND_FILE;
#else
  struct stat about;
  if (stat(path, &about) != 0 || S_ISREG(about.st_mode)) return KIND_FILE;
  return S_ISDIR(about.st_mode) ? KIND_DIRECTORY : KIND_DEVICE;
#endif
}

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

static int write_file(const char *path, const unsigned char *bytes, size_t size) {
  new_file file;
  int failed = new_file_open(&file, path);
  if (!failed) failed = fwrite(bytes, 1, size, file.file) != size || new_file_close(&file);
  int status = failed ? fail_to_write(path) : interrupt_status();
  if (status == EXIT_OK && new_file_publish(&file)) status = fail_to_write(path);
  new_file_end(&file);
  return status;
}

int output_write(const char *path, const unsigned char *bytes, size_t size) {
  if (strcmp(path, "-") == 0) return write_stdout(bytes, size);
  if (find_kind(path) == KIND_DEVICE) return write_device(path, bytes, size);
  return write_file(path, bytes, size);
}

int output_check(const char *path) {
  if (strcmp(path, "-") == 0) {
    if (!is_terminal(stdout)) return EXIT_OK;
    return fail(EXIT_USAGE, "-o -: the standard output is a terminal; redirect it to a file or a pipe");
  }
  int kind = find_kind(path);
  if (kind == KIND_DEVICE) return EXIT_OK;
  if (kind == KIND_DIRECTORY) return fail(EXIT_FAILED, "%s: is a directory; name a file in it", path);
  new_file file;
  int status = new_file_open(&file, path) ? fail_to_write(path) : EXIT_OK;
  new_file_end(&file);
  return status;
}
