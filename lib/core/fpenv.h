/* The floating-point environment in which the library computes: round to nearest, keep subnormals, raise no traps. */
#ifndef DIT_FPENV_H
#define DIT_FPENV_H

#include "dit.h"

/* The caller's floating-point environment. */
typedef struct dit__fpenv {
  uint64_t words[16];
} dit__fpenv;

/* Every public function that computes, and every task that runs on another thread, calls dit__fpenv_enter first and
 * dit__fpenv_leave last; leaving restores the caller's modes and exception flags. */
void dit__fpenv_enter(dit__fpenv *saved);
void dit__fpenv_leave(const dit__fpenv *saved);

#endif
