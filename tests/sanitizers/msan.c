/* What clang's MemorySanitizer does not know of today's glibc: stat, fstat and timespec_get fill in their buffer. This is
 * linked into every program of the stage `uninitialised`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sanitizer/msan_interface.h>
#include <sys/stat.h>
#include <time.h>

int fstat(int file, struct stat *to) {
  int (*real)(int, struct stat *) = (int (*)(int, struct stat *))dlsym(RTLD_NEXT, "fstat");
  __msan_unpoison(to, sizeof *to);
  return real(file, to);
}

int stat(const char *path, struct stat *to) {
  int (*real)(const char *, struct stat *) = (int (*)(const char *, struct stat *))dlsym(RTLD_NEXT, "stat");
  __msan_unpoison(to, sizeof *to);
  return real(path, to);
}

/* With _FILE_OFFSET_BITS 64, which the library defines, they have other names, and on 64 bits do the same. */
int fstat64(int file, struct stat64 *to) { return fstat(file, (struct stat *)(void *)to); }
int stat64(const char *path, struct stat64 *to) { return stat(path, (struct stat *)(void *)to); }

int timespec_get(struct timespec *to, int base) { return clock_gettime(CLOCK_REALTIME, to) ? 0 : base; }
