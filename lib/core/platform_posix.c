/* POSIX systems (Linux, macOS, the BSDs): see platform.h. */
#if !defined(_WIN32) && !defined(DIT_IMPLEMENTATION) /* in the single header, other headers came before */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* declares what POSIX and Linux have, also under -std=c11 */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#endif
#include "lib/core/numerics.h"

#include "lib/core/platform.h"

#if !defined(_WIN32)
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "lib/core/error.h"

/* The single header may follow headers that were included under -std=c11 without the macros above, and have decided
 * that only ISO C is declared. What Linux has is then declared once more, as its own headers do. */
#ifdef __linux__
int posix_memalign(void **block, size_t alignment, size_t size);
long syscall(long number, ...);
#endif

#if defined(CLOCK_MONOTONIC)
#define POSIX_MONOTONIC CLOCK_MONOTONIC
#elif defined(__linux__) && defined(__LP64__) /* elsewhere struct timespec has two forms */
#define POSIX_MONOTONIC 1
int clock_gettime(int clock, struct timespec *now);
#endif

#if defined(MADV_HUGEPAGE)
#define POSIX_HUGEPAGE MADV_HUGEPAGE
#elif defined(__linux__)
#define POSIX_HUGEPAGE 14
int madvise(void *block, size_t size, int advice);
#endif

#if defined(O_CLOEXEC)
#define POSIX_CLOEXEC O_CLOEXEC
#else
#define POSIX_CLOEXEC 0 /* the file is open for a moment only */
#endif

/* Large blocks lie on huge pages where the system has them: the rows of activations are pages apart, and each page
 * costs a walk through the page table. */
void *dit__system_allocate(size_t size, size_t alignment) {
  void *block = NULL;
  const size_t huge = (size_t)2 << 20;
  if (alignment < sizeof(void *)) alignment = sizeof(void *);
  if (size >= 2 * huge && alignment < huge) alignment = huge;
  if (posix_memalign(&block, alignment, size ? size : 1)) return NULL;
#ifdef POSIX_HUGEPAGE
  if (size >= 2 * huge) madvise(block, size / huge * huge, POSIX_HUGEPAGE);
#endif
  return block;
}

void dit__system_release(void *block) { free(block); }

int64_t dit__clock(void) {
  struct timespec now;
#ifdef POSIX_MONOTONIC
  clock_gettime(POSIX_MONOTONIC, &now);
#else
  timespec_get(&now, TIME_UTC);
#endif
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int32_t dit__processors(void) {
#ifdef __linux__ /* those that taskset, cpusets and containers leave; sched_getaffinity needs _GNU_SOURCE */
  uint64_t mask[16] = {0};
  int32_t allowed = 0;
  if (syscall(SYS_sched_getaffinity, 0, sizeof mask, mask) > 0)
    for (int32_t i = 0; i < 1024; i++) allowed += (int32_t)(mask[i / 64] >> i % 64 & 1);
  if (allowed) return allowed;
#endif
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > 4096 ? 4096 : (int32_t)count;
}

/* Reads file->size bytes; a signal may interrupt each call. */
static dit_status posix_read(int descriptor, const char *path, const dit_options *hooks, dit__file *file,
                             dit_error *error) {
  uint8_t *block = (uint8_t *)dit__allocate(hooks, file->size, 64);
  if (!block) return dit__fail(error, DIT_ERROR_MEMORY, "%s: no memory for %zu bytes", path, file->size);
  for (size_t done = 0; done < file->size;) {
    size_t part = file->size - done < (size_t)1 << 30 ? file->size - done : (size_t)1 << 30;
    ssize_t got = read(descriptor, block + done, part);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      dit__release(hooks, block, file->size);
      return dit__fail(error, DIT_ERROR_IO, "%s: cannot be read: %s", path,
                       got ? strerror(errno) : "the file shrank while it was read");
    }
    done += (size_t)got;
  }
  file->bytes = block;
  file->block = block;
  return DIT_OK;
}

dit_status dit__file_open(const char *path, int32_t load, const dit_options *hooks, dit__file *file, dit_error *error) {
  memset(file, 0, sizeof *file);
  file->load = load;
  int descriptor = open(path, O_RDONLY | POSIX_CLOEXEC | O_NONBLOCK); /* a FIFO must not block before it is refused */
  if (descriptor < 0) return dit__fail(error, DIT_ERROR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  struct stat about;
  dit_status status = DIT_OK;
  if (fstat(descriptor, &about)) {
    status = dit__fail(error, DIT_ERROR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  } else if (!S_ISREG(about.st_mode)) {
    status = dit__fail(error, DIT_ERROR_IO, "%s: not a regular file", path);
  } else if (about.st_size == 0) {
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: the file is empty", path);
  } else if ((uint64_t)about.st_size > SIZE_MAX / 2) {
    status = dit__fail(error, DIT_ERROR_IO, "%s: too large for this process's address space", path);
  } else {
    file->size = (size_t)about.st_size;
    if (load == DIT_LOAD_READ) {
      status = posix_read(descriptor, path, hooks, file, error);
    } else {
      void *block = mmap(NULL, file->size, PROT_READ, MAP_SHARED, descriptor, 0);
      if (block == MAP_FAILED)
        status = dit__fail(error, DIT_ERROR_IO, "%s: cannot be mapped: %s", path, strerror(errno));
      else
        file->bytes = (const uint8_t *)(file->block = block);
    }
  }
  close(descriptor);
  return status;
}

void dit__file_close(dit__file *file, const dit_options *hooks) {
  if (file->block && file->load == DIT_LOAD_READ)
    dit__release(hooks, file->block, file->size);
  else if (file->block)
    munmap(file->block, file->size);
  file->block = NULL;
}

#endif
