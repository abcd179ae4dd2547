/* How long work reports that it goes on, and is told to stop. */
#ifndef DIT_CONVERT_PROGRESS_H
#define DIT_CONVERT_PROGRESS_H

#include <stdint.h>

typedef struct progress {
  /* Called now and then; `done` of `total` bytes, elements or pictures. If it returns anything but 0, the work ends. */
  int (*report)(void *user, uint64_t done, uint64_t total);
  void *user;
} progress;

#endif
