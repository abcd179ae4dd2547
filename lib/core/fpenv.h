/* The floating-point environment of every computation. */
#ifndef DIT_FPENV_H
#define DIT_FPENV_H

#include "dit.h"

/* Every entry point that computes, and every task, works between these two. */
typedef struct dit__environment {
  uint64_t words[16];
} dit__environment;
void dit__environment_enter(dit__environment *saved);
void dit__environment_leave(const dit__environment *saved);

#endif
