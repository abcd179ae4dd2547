/* The operating system: files, memory, clocks, processors.
 *
 * platform_posix.c and platform_windows.c each compile to nothing on the other's system. A system that fits neither gets
 * a file of its own (platform_wasm.c, say) and a line in the guard of platform_posix.c. No other file of the library
 * calls the operating system, except cpu.c, which asks for the processor's features. */
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

/* The system's own allocator: at least `size` bytes at a multiple of `alignment`, a power of two, or NULL. */
void *dit__system_allocate(size_t size, size_t alignment);
void dit__system_release(void *block);

/* Memory from the host's hooks or, if `hooks` is NULL or has none, from the system. */
static inline void *dit__allocate(const dit_options *hooks, size_t size, size_t alignment) {
  if (hooks && hooks->allocate) return hooks->allocate(hooks->user, size, alignment);
  return dit__system_allocate(size, alignment);
}

/* Takes the size that was allocated; `block` may be NULL. */
static inline void dit__release(const dit_options *hooks, void *block, size_t size) {
  if (!block) return;
  if (hooks && hooks->release)
    hooks->release(hooks->user, block, size);
  else
    dit__system_release(block);
}

#endif
