/* The operating system: files, memory, clocks, processors, atomics.
 *
 * platform.c holds what every system shares; platform_posix.c and platform_windows.c hold the rest, and each compiles
 * to nothing on the other's system. A system that fits neither gets a file of its own (platform_wasm.c, say) and a line
 * in the guard of platform_posix.c. No other file of the library calls the operating system, except cpu.c, which asks
 * for the processor's features. */
#ifndef DIT_PLATFORM_H
#define DIT_PLATFORM_H

#include "dit.h"

typedef struct dit__file {
  const uint8_t *bytes;
  size_t size;
  void *block;  /* what dit__file_close unmaps or releases; NULL if the bytes belong to the caller */
  int32_t load; /* DIT_LOAD_*: how `block` was made */
} dit__file;

/* Maps (DIT_LOAD_MAP) or reads (DIT_LOAD_READ) a whole regular file, which must not be empty. `path` is UTF-8; `hooks`
 * may be NULL. Errors: IO, FORMAT (an empty file), MEMORY; the message begins with the path. */
dit_status dit__file_open(const char *path, int32_t load, const dit_options *hooks, dit__file *file, dit_error *error);
void dit__file_close(dit__file *file, const dit_options *hooks);

int64_t dit__clock(void);      /* microseconds since some fixed moment; never runs backwards */
int32_t dit__processors(void); /* how many processors this process may use: at least 1 */

/* Atomic and sequentially consistent. dit__atomic_add returns the sum. */
intptr_t dit__atomic_add(intptr_t *value, intptr_t summand);
intptr_t dit__atomic_load(const intptr_t *value);
void dit__atomic_store(intptr_t *value, intptr_t to);

/* Memory from the host's hooks or, if `hooks` is NULL or has none, from the system. dit__allocate returns NULL on
 * failure; `alignment` is a power of two. dit__release takes the same size; `block` may be NULL. */
void *dit__allocate(const dit_options *hooks, size_t size, size_t alignment);
void dit__release(const dit_options *hooks, void *block, size_t size);

/* The system's own allocator, for dit__allocate and dit__release alone. */
void *dit__system_allocate(size_t size, size_t alignment);
void dit__system_release(void *block);

#endif
