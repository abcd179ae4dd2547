/* POSIX systems (Linux, macOS, the BSDs): see platform.h. */
#if !defined(_WIN32)
/* Under -std=c11 these macros declare what POSIX has, and madvise and sched_getaffinity, which Linux has beside it. The
 * last two are used only where they turn out to be declared: a header that was included before this line may have
 * decided that they are not. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
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
#include <sched.h>
#endif

#include "lib/core/error.h"

/* Large blocks lie on huge pages where the system has them: the rows of activations are pages apart, and each page
 * costs a walk through the page table. */
void *dit__system_allocate(size_t size, size_t alignment) {
  void *block = NULL;
  const size_t huge = (size_t)2 << 20;
  if (alignment < sizeof(void *)) alignment = sizeof(void *);
  if (size >= 2 * huge && alignment < huge) alignment = huge;
  if (posix_memalign(&block, alignment, size ? size : 1)) return NULL;
#ifdef MADV_HUGEPAGE
  if (size >= 2 * huge) madvise(block, size / huge * huge, MADV_HUGEPAGE);
#endif
  return block;
}

void dit__system_release(void *block) { free(block); }

int64_t dit__clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int32_t dit__processors(void) {
#if defined(__linux__) && defined(CPU_COUNT) /* those that taskset, cpusets and containers leave */
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set) < 1 ? 1 : CPU_COUNT(&set);
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
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block before it is refused */
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
