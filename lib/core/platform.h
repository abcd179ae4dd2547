/* The operating system: files, memory, clocks, processors, atomics. */
#ifndef DIT_PLATFORM_H
#define DIT_PLATFORM_H

#include "dit.h"

typedef struct dit__file {
  const uint8_t *bytes;
  size_t size;
  void *block; /* what to unmap or release; NULL for the caller's own memory */
  int32_t load;
} dit__file;

/* Maps (DIT_LOAD_MAP) or reads (DIT_LOAD_READ) a whole file. Errors: IO, MEMORY; the message names the path. */
dit_status dit__file_open(const char *path, int32_t load, const dit_options *hooks, dit__file *file, dit_error *error);
void dit__file_close(dit__file *file, const dit_options *hooks);

int64_t dit__clock(void);      /* monotonic, microseconds */
int32_t dit__processors(void); /* at least 1 */

/* Atomic, in sequential order; the sum is returned. */
intptr_t dit__atomic_add(intptr_t *value, intptr_t summand);
intptr_t dit__atomic_load(const intptr_t *value);
void dit__atomic_store(intptr_t *value, intptr_t to);

/* The host's allocator, or the C library's. `hooks` may be NULL. NULL on failure. */
void *dit__allocate(const dit_options *hooks, size_t size, size_t alignment);
void dit__release(const dit_options *hooks, void *block, size_t size);

#endif
