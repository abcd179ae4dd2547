/* How long work reports its progress, and is asked to stop. */
#ifndef DIT_CONVERT_PROGRESS_H
#define DIT_CONVERT_PROGRESS_H

#include <stdint.h>

typedef struct progress {
  /* Called now and then with `done` of `total` bytes, elements or pictures. The work ends if it returns anything but 0. */
  int (*report)(void *user, uint64_t done, uint64_t total);
  void *user;
} progress;

#endif
