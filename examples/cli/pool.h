/* A pool of threads that wait for tasks without keeping a processor busy. */
#ifndef CLI_POOL_H
#define CLI_POOL_H

#include "dit.h"

typedef struct pool pool;

/* Returns the number of processors that this program may use, or 0 if it is unknown. */
int32_t pool_processors(void);

/* Opens a pool in which `threads` threads work, one of them the caller of pool_run. Returns NULL if it is 1 or if no
 * threads can be had; the library then needs no pool. */
pool *pool_open(int32_t threads);

/* Ends the threads. NULL is a no-op. */
void pool_close(pool *p);

/* The hook dit_options.parallel_for; `user` is the pool. Only one call may run at a time. */
void DIT_CALL pool_run(void *user, int32_t count, void(DIT_CALL *task)(void *context, int32_t index), void *context);

#endif
