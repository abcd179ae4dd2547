/* Normal random numbers. */
#ifndef DIT_RNG_H
#define DIT_RNG_H

#include "dit.h"

/* Numbers first..first+count-1 of the stream of `seed` (DIT_GENERATOR_DIT); any part can be asked for at any time. */
void dit__normal(uint64_t seed, uint64_t first, int64_t count, float *out);
void dit__philox(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]); /* Philox4x32-10 */
/* Two normal numbers from two uniform ones, 0 < u <= 1, 0 <= v <= 1. */
void dit__box_muller(double u, double v, double pair[2]);

enum { DIT__MT_WORDS = 624 };
struct dit_rng {
  int32_t generator; /* DIT_GENERATOR_*; 0 is DIT */
  int32_t word;      /* TORCH: the next of its words */
  uint64_t seed;
  uint64_t position;             /* DIT: the next number; PHILOX: calls so far */
  int32_t has_kept;              /* TORCH: */
  float kept;                    /* half of a pair */
  uint32_t state[DIT__MT_WORDS]; /* mt19937 */
};
void dit__rng_begin(dit_rng *rng, int32_t generator, uint64_t seed);
void dit__rng_call(dit_rng *rng, int64_t count, float *out); /* the next `count` numbers */

#endif
