/* Streams of standard normal numbers. */
#ifndef DIT_RNG_H
#define DIT_RNG_H

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

void dit__rng_begin(dit_rng *rng, int32_t generator, uint64_t seed);

/* The next `count` numbers. With TORCH and PHILOX one call stands for one call of torch.randn. */
void dit__rng_call(dit_rng *rng, int64_t count, float *out);

/* ---- rng_philox.c ---- */

/* Numbers first..first+count-1 of the stream of `seed` of DIT_GENERATOR_DIT, which has no state. */
void dit__normal(uint64_t seed, uint64_t first, int64_t count, float *out);

/* One block of Philox4x32-10. */
void dit__philox(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]);

/* Two normal numbers from two uniform ones, 0 < u <= 1 and 0 <= v <= 1: cosine and sine of rng_philox.c. */
void dit__box_muller(double u, double v, double pair[2]);

/* One call of DIT_GENERATOR_PHILOX. */
void dit__rng_philox(dit_rng *rng, int64_t count, float *out);

/* ---- rng_torch.c ---- */

void dit__rng_torch_begin(dit_rng *rng); /* rng->seed is set */
void dit__rng_torch(dit_rng *rng, int64_t count, float *out);

#endif
