/* Files that appear whole under their name, or not at all. */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* fsync and fileno */
#endif
#include "weights/convert/write/replace_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <io.h>
#include <windows.h>

int file_synchronize(FILE *file) { return _commit(_fileno(file)); }

int file_replace(const char *from, const char *to) {
  if (MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) return 0;
  errno = EACCES;
  return -1;
}

#else
#include <fcntl.h>
#include <unistd.h>

/* Some file systems cannot synchronize, and say EINVAL; they have nothing to wait for. */
int file_synchronize(FILE *file) { return fsync(fileno(file)) && errno != EINVAL; }

/* The name is in the folder already, so what goes wrong here is no failure. */
static void synchronize_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  const size_t length = slash ? (size_t)(slash - path) + 1 : 1;
  char *folder = (char *)malloc(length + 1);
  if (!folder) return;
  memcpy(folder, slash ? path : ".", length);
  folder[length] = 0;
  const int descriptor = open(folder, O_RDONLY);
  if (descriptor >= 0) {
    fsync(descriptor);
    close(descriptor);
  }
  free(folder);
}

int file_replace(const char *from, const char *to) {
  if (rename(from, to)) return -1;
  synchronize_folder(to);
  return 0;
}
#endif
