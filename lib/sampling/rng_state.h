/* The state of a stream of random numbers. */
#ifndef DIT_RNG_STATE_H
#define DIT_RNG_STATE_H

#include "dit.h"

enum { DIT__MT_WORDS = 624 };
struct dit_rng {
  int32_t generator; /* DIT_GENERATOR_*; 0 is DIT */
  int32_t word;      /* TORCH: index of the next word of `state` */
  uint64_t seed;
  uint64_t position;             /* DIT: index of the next number; PHILOX: how many calls there were */
  int32_t has_kept;              /* TORCH: whether `kept` is the next number of a call for fewer than 16 */
  float kept;                    /* TORCH: the second number of a pair */
  uint32_t state[DIT__MT_WORDS]; /* TORCH: mt19937 */
};

#endif
