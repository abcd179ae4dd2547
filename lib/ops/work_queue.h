/* Queues that the tasks of one unit take their work from. */
#ifndef DIT_WORK_QUEUE_H
#define DIT_WORK_QUEUE_H

#include "lib/core/integers.h"
#include "lib/core/platform.h"

/* `total` things: each task has a part of them, takes `grain` of it at a time, and then helps the others, so that none
 * waits for one whose processor is slow. Each task's memory begins with a line for its part. */
enum { DIT__SHARE_BYTES = 64 };
typedef struct dit__shares {
  int64_t total, grain;
  int32_t tasks;
  uint8_t *memory; /* `stride` bytes a task, aligned to 64 */
  size_t stride;
} dit__shares;

static inline intptr_t *shares_taken(const dit__shares *shares, int32_t task) {
  return (intptr_t *)(void *)(shares->memory + (size_t)task * shares->stride);
}

static inline dit__shares shares_open(int64_t total, int64_t grain, int32_t tasks, uint8_t *memory, size_t stride) {
  const dit__shares shares = {total, grain, tasks, memory, stride};
  for (int32_t i = 0; i < tasks; i++) *shares_taken(&shares, i) = 0;
  return shares;
}

/* The next things for task `index`, or 0: there are none. helping: 0 before the first call; how many tasks further they
 * were meant for. */
static inline int32_t shares_take(const dit__shares *shares, int32_t index, int32_t *helping, int64_t *first,
                                  int64_t *count) {
  for (; *helping < shares->tasks; ++*helping) {
    const int32_t whose = (index + *helping) % shares->tasks;
    const int64_t at = dit__atomic_add(shares_taken(shares, whose), (intptr_t)shares->grain) - shares->grain;
    plan_share(shares->total, shares->tasks, whose, 1, first, count);
    if (at >= *count) continue;
    *first += at;
    *count = plan_least(shares->grain, *count - at);
    return 1;
  }
  return 0;
}

#endif
