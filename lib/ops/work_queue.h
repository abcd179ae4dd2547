/* Work stealing between the tasks of one unit.
 *
 * `total` items are dealt out evenly: each task has a queue of its own and takes `grain` items of it at a time. A task
 * whose queue is empty goes on with the next task's queue, so that none waits for one whose processor is slow. */
#ifndef DIT_WORK_QUEUE_H
#define DIT_WORK_QUEUE_H

#include "lib/core/integers.h"
#include "lib/core/atomic.h"
#include "lib/core/platform.h"

enum { DIT__WORK_QUEUE_BYTES = 64 }; /* a cache line at the start of each task's memory holds its queue's position */

typedef struct dit__work_queue {
  int64_t total, grain;
  int32_t tasks;
  uint8_t *memory; /* `stride` bytes for each task, aligned to 64 */
  size_t stride;
} dit__work_queue;

static inline intptr_t *work_queue_position(const dit__work_queue *queue, int32_t task) {
  return (intptr_t *)(void *)(queue->memory + (size_t)task * queue->stride);
}

static inline dit__work_queue work_queue_open(int64_t total, int64_t grain, int32_t tasks, uint8_t *memory,
                                              size_t stride) {
  const dit__work_queue queue = {total, grain, tasks, memory, stride};
  for (int32_t i = 0; i < tasks; i++) *work_queue_position(&queue, i) = 0;
  return queue;
}

/* Takes the next items for task `index`: *count of them from *first. Returns 0 if all queues are empty. *victim must be
 * 0 before the first call (the task's own queue), and advances to the next task's queue when one is empty. */
static inline int32_t work_queue_take(const dit__work_queue *queue, int32_t index, int32_t *victim, int64_t *first,
                                      int64_t *count) {
  for (; *victim < queue->tasks; ++*victim) {
    const int32_t owner = (index + *victim) % queue->tasks;
    const int64_t taken = dit__atomic_add(work_queue_position(queue, owner), (intptr_t)queue->grain) - queue->grain;
    split_range(queue->total, queue->tasks, owner, 1, first, count);
    if (taken >= *count) continue;
    *first += taken;
    *count = min64(queue->grain, *count - taken);
    return 1;
  }
  return 0;
}

#endif
