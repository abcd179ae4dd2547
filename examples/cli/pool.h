/* Threads that wait for tasks without keeping a processor busy. */
#ifndef CLI_POOL_H
#define CLI_POOL_H

#include "dit.h"

typedef struct pool pool;

/* How many processors this program may use. */
int32_t pool_processors(void);

/* A pool where `threads` threads work, the caller of pool_run among them. NULL if there are no threads, or no use for
 * them (1); the library then does without. */
pool *pool_open(int32_t threads);
void pool_close(pool *p); /* ends the threads; NULL is fine */

/* The library's hook parallel_for; `user` is the pool. One call at a time. */
void DIT_CALL pool_run(void *user, int32_t count, void(DIT_CALL *task)(void *context, int32_t index), void *context);

#endif
