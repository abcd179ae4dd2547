/* The only file with calls to the operating system: map, read, clock, processors, memory. */
#if !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* madvise and sched_getaffinity under -std=c11 */
#endif
#define _FILE_OFFSET_BITS 64
#include "lib/core/numerics.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <malloc.h>
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif
#endif

#include "lib/core/error.h"
#include "lib/core/platform.h"

void *dit__allocate(const dit_options *hooks, size_t size, size_t alignment) {
  if (hooks && hooks->allocate) return hooks->allocate(hooks->user, size, alignment);
#ifdef _WIN32
  return _aligned_malloc(size, alignment);
#else
  void *block = NULL;
  const size_t huge = (size_t)2 << 20;
  if (alignment < sizeof(void *)) alignment = sizeof(void *);
  if (size >= 2 * huge) alignment = huge; /* rows of activations lie pages apart: large pages spare table walks */
  if (posix_memalign(&block, alignment, size ? size : 1)) return NULL;
#ifdef MADV_HUGEPAGE
  if (size >= 2 * huge) madvise(block, size / huge * huge, MADV_HUGEPAGE);
#endif
  return block;
#endif
}

void dit__release(const dit_options *hooks, void *block, size_t size) {
  if (!block) return;
  if (hooks && hooks->release) {
    hooks->release(hooks->user, block, size);
    return;
  }
#ifdef _WIN32
  _aligned_free(block);
#else
  free(block);
#endif
}

#if defined(_MSC_VER)
intptr_t dit__atomic_add(intptr_t *value, intptr_t summand) {
#ifdef _WIN64
  return _InterlockedExchangeAdd64(value, summand) + summand;
#else
  return _InterlockedExchangeAdd((volatile long *)value, summand) + summand;
#endif
}
intptr_t dit__atomic_load(const intptr_t *value) { return dit__atomic_add((intptr_t *)value, 0); }
void dit__atomic_store(intptr_t *value, intptr_t to) {
  InterlockedExchangePointer((void *volatile *)value, (void *)to);
}
#else
intptr_t dit__atomic_add(intptr_t *value, intptr_t summand) {
  return __atomic_add_fetch(value, summand, __ATOMIC_SEQ_CST);
}
intptr_t dit__atomic_load(const intptr_t *value) { return __atomic_load_n(value, __ATOMIC_SEQ_CST); }
void dit__atomic_store(intptr_t *value, intptr_t to) { __atomic_store_n(value, to, __ATOMIC_SEQ_CST); }
#endif

#ifdef _WIN32

int64_t dit__clock(void) {
  LARGE_INTEGER frequency, now;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&now);
  return now.QuadPart / frequency.QuadPart * 1000000 + now.QuadPart % frequency.QuadPart * 1000000 / frequency.QuadPart;
}

int32_t dit__processors(void) {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  return system.dwNumberOfProcessors < 1 ? 1 : (int32_t)system.dwNumberOfProcessors;
}

dit_status dit__file_open(const char *path, int32_t load, const dit_options *hooks, dit__file *file, dit_error *error) {
  memset(file, 0, sizeof *file);
  int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
  if (length <= 0) return dit__fail(error, DIT_ERROR_IO, "%s: the path is not UTF-8", path);
  wchar_t *wide = (wchar_t *)malloc((size_t)length * sizeof *wide);
  if (!wide) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, length);
  HANDLE handle = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
  free(wide);
  LARGE_INTEGER size;
  if (handle == INVALID_HANDLE_VALUE || !GetFileSizeEx(handle, &size)) {
    if (handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
    return dit__fail(error, DIT_ERROR_IO, "%s: cannot be opened (Windows error %lu)", path, GetLastError());
  }
  dit_status status = DIT_OK;
  if (size.QuadPart == 0) {
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: the file is empty", path);
  } else if ((uint64_t)size.QuadPart > SIZE_MAX) {
    status = dit__fail(error, DIT_ERROR_IO, "%s: too large for this process's address space", path);
  } else if (load == DIT_LOAD_READ) {
    file->size = (size_t)size.QuadPart;
    uint8_t *block = (uint8_t *)dit__allocate(hooks, file->size, 64);
    if (!block) status = dit__fail(error, DIT_ERROR_MEMORY, "%s: no memory for %zu bytes", path, file->size);
    for (size_t done = 0; block && done < file->size;) {
      DWORD part = (DWORD)(file->size - done < 1u << 30 ? file->size - done : 1u << 30), got = 0;
      if (!ReadFile(handle, block + done, part, &got, NULL) || got == 0) {
        dit__release(hooks, block, file->size);
        block = NULL;
        status = dit__fail(error, DIT_ERROR_IO, "%s: cannot be read", path);
      }
      done += got;
    }
    file->bytes = block;
    file->block = block;
  } else {
    HANDLE mapping = CreateFileMappingW(handle, NULL, PAGE_READONLY, 0, 0, NULL);
    file->block = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0) : NULL;
    if (mapping) CloseHandle(mapping);
    if (!file->block) status = dit__fail(error, DIT_ERROR_IO, "%s: cannot be mapped", path);
    file->bytes = (const uint8_t *)file->block;
    file->size = (size_t)size.QuadPart;
  }
  CloseHandle(handle);
  file->load = load;
  return status;
}

void dit__file_close(dit__file *file, const dit_options *hooks) {
  if (file->block && file->load == DIT_LOAD_READ)
    dit__release(hooks, file->block, file->size);
  else if (file->block)
    UnmapViewOfFile(file->block);
  file->block = NULL;
}

#else

int64_t dit__clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int32_t dit__processors(void) {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set) < 1 ? 1 : CPU_COUNT(&set);
#endif
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > 4096 ? 4096 : (int32_t)count;
}

static dit_status read_whole(int descriptor, const char *path, const dit_options *hooks, dit__file *file,
                             dit_error *error) {
  uint8_t *block = (uint8_t *)dit__allocate(hooks, file->size, 64);
  if (!block) return dit__fail(error, DIT_ERROR_MEMORY, "%s: no memory for %zu bytes", path, file->size);
  for (size_t done = 0; done < file->size;) {
    size_t part = file->size - done < (size_t)1 << 30 ? file->size - done : (size_t)1 << 30;
    ssize_t got = read(descriptor, block + done, part);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      dit__release(hooks, block, file->size);
      return dit__fail(error, DIT_ERROR_IO, "%s: %s", path,
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
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return dit__fail(error, DIT_ERROR_IO, "%s: %s", path, strerror(errno));
  struct stat about;
  dit_status status = DIT_OK;
  if (fstat(descriptor, &about)) {
    status = dit__fail(error, DIT_ERROR_IO, "%s: %s", path, strerror(errno));
  } else if (!S_ISREG(about.st_mode)) {
    status = dit__fail(error, DIT_ERROR_IO, "%s: not a regular file", path);
  } else if (about.st_size == 0) {
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: the file is empty", path);
  } else if ((uint64_t)about.st_size > SIZE_MAX / 2) {
    status = dit__fail(error, DIT_ERROR_IO, "%s: too large for this process's address space", path);
  } else {
    file->size = (size_t)about.st_size;
    if (load == DIT_LOAD_READ) {
      status = read_whole(descriptor, path, hooks, file, error);
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
