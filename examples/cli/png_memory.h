/* The memory of LodePNG, which is compiled with LODEPNG_NO_COMPILE_ALLOCATORS: LodePNG goes on after a failed allocation
 * in some places, and writes files that are not PNG. Here a failure leaves LodePNG altogether. */
#ifndef CLI_PNG_MEMORY_H
#define CLI_PNG_MEMORY_H

#include <stddef.h>

enum { PNG_MEMORY_FAILED = -1 };

/* Returns work(context), or PNG_MEMORY_FAILED as soon as an allocation fails or more than `limit` bytes are in use at a
 * time; then all memory of the run is freed. Not reentrant, and for one thread. */
int png_memory_run(size_t limit, int (*work)(void *context), void *context);

/* Frees what is left of a run that succeeded. */
void png_memory_end(void);

#endif
