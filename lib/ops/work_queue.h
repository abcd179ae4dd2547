/* Queues that the tasks of one unit take their work from. */
#ifndef DIT_WORK_QUEUE_H
#define DIT_WORK_QUEUE_H

#include "lib/core/integers.h"
#include "lib/core/platform.h"

/* `total` things: each task has a part of them, takes `grain` of it at a time, and then helps the others, so that none
 * waits for one whose processor is slow. Each task's memory begins with a line for its part. */
enum { DIT__WORK_QUEUE_BYTES = 64 };
typedef struct dit__work_queue {
  int64_t total, grain;
  int32_t tasks;
  uint8_t *memory; /* `stride` bytes a task, aligned to 64 */
  size_t stride;
} dit__work_queue;

static inline intptr_t *work_queue_position(const dit__work_queue *shares, int32_t task) {
  return (intptr_t *)(void *)(shares->memory + (size_t)task * shares->stride);
}

static inline dit__work_queue work_queue_open(int64_t total, int64_t grain, int32_t tasks, uint8_t *memory,
                                              size_t stride) {
  const dit__work_queue shares = {total, grain, tasks, memory, stride};
  for (int32_t i = 0; i < tasks; i++) *work_queue_position(&shares, i) = 0;
  return shares;
}

/* The next things for task `index`, or 0: there are none. victim: 0 before the first call; how many tasks further they
 * were meant for. */
static inline int32_t work_queue_take(const dit__work_queue *shares, int32_t index, int32_t *victim, int64_t *first,
                                      int64_t *count) {
  for (; *victim < shares->tasks; ++*victim) {
    const int32_t whose = (index + *victim) % shares->tasks;
    const int64_t at = dit__atomic_add(work_queue_position(shares, whose), (intptr_t)shares->grain) - shares->grain;
    split_range(shares->total, shares->tasks, whose, 1, first, count);
    if (at >= *count) continue;
    *first += at;
    *count = min64(shares->grain, *count - at);
    return 1;
  }
  return 0;
}

#endif
