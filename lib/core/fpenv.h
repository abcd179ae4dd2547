/* The floating-point environment of every computation. */
#ifndef DIT_FPENV_H
#define DIT_FPENV_H

#include "dit.h"

/* Every entry point that computes, and every task, works between these two. */
typedef struct dit__fpenv {
  uint64_t words[16];
} dit__fpenv;
void dit__fpenv_enter(dit__fpenv *saved);
void dit__fpenv_leave(const dit__fpenv *saved);

#endif
