/* DIT_GENERATOR_TORCH: PyTorch's normal numbers on the processor, so that a seed makes the picture that it made there.
 *
 * torch.manual_seed(seed) begins mt19937 (Matsumoto & Nishimura 1998) with the low 32 bits of the seed. Its stream
 * depends on how it is asked for, so one call here stands for one call of torch.randn for n numbers:
 *
 * n >= 16   takes n uniform numbers, (word mod 2^24) * 2^-24. Then, in each whole block of 16, the numbers j and j + 8
 *           for j = 0..7 become cosine and sine (rng_philox.c) of (1 - uniform j, uniform j + 8). If n is not a
 *           multiple of 16, the last 16 numbers are made anew in the same way from 16 further uniform numbers.
 * n < 16    makes one number after the other. Two uniform numbers s and t, each ((first word * 2^32 + second word) mod
 *           2^53) * 2^-53, give cosine(1 - t, s); sine(1 - t, s) is kept for the next number of such a call, however
 *           much later that comes.
 *
 * All is computed in double and rounded to float. PyTorch computes in float, and differs by up to 1.3e-6. */
#include "lib/core/numerics.h"

#include "lib/sampling/rng_philox.h"
#include "lib/sampling/rng_torch.h"

/* ---- mt19937 ---- */

void dit__rng_torch_begin(dit_rng *rng) {
  uint32_t *state = rng->state;
  state[0] = (uint32_t)rng->seed;
  for (uint32_t i = 1; i < DIT__MT_WORDS; i++) state[i] = 1812433253u * (state[i - 1] ^ state[i - 1] >> 30) + i;
  rng->word = DIT__MT_WORDS;
}

static void rng_torch_refill(dit_rng *rng) {
  uint32_t *state = rng->state;
  for (int32_t i = 0; i < DIT__MT_WORDS; i++) {
    const uint32_t y = (state[i] & 0x80000000u) | (state[(i + 1) % DIT__MT_WORDS] & 0x7fffffffu);
    state[i] = state[(i + 397) % DIT__MT_WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
  }
  rng->word = 0;
}

static uint32_t rng_torch_word(dit_rng *rng) {
  if (rng->word == DIT__MT_WORDS) rng_torch_refill(rng);
  uint32_t y = rng->state[rng->word++];
  y ^= y >> 11;
  y ^= y << 7 & 0x9d2c5680u;
  y ^= y << 15 & 0xefc60000u;
  return y ^ y >> 18;
}

static double rng_torch_double(dit_rng *rng) {
  const uint64_t high = rng_torch_word(rng), low = rng_torch_word(rng);
  return (double)((high << 32 | low) & (((uint64_t)1 << 53) - 1)) * 0x1p-53;
}

/* ---- randn ---- */

static void rng_torch_few(dit_rng *rng, int64_t count, float *out) {
  for (int64_t i = 0; i < count; i++) {
    if (!rng->has_kept) {
      double pair[2];
      const double s = rng_torch_double(rng), t = rng_torch_double(rng);
      dit__box_muller(1 - t, s, pair);
      out[i] = (float)pair[0];
      rng->kept = (float)pair[1];
    } else {
      out[i] = rng->kept;
    }
    rng->has_kept = !rng->has_kept;
  }
}

static void rng_torch_uniforms(dit_rng *rng, int64_t count, float *out) { /* exact in float */
  for (int64_t i = 0; i < count; i++) out[i] = (float)(rng_torch_word(rng) & 0xffffffu) * 0x1p-24f;
}

static void rng_torch_block(float *block) {
  for (int32_t j = 0; j < 8; j++) {
    double pair[2];
    dit__box_muller(1 - (double)block[j], (double)block[j + 8], pair);
    block[j] = (float)pair[0];
    block[j + 8] = (float)pair[1];
  }
}

void dit__rng_torch(dit_rng *rng, int64_t count, float *out) {
  if (count < 16) {
    rng_torch_few(rng, count, out);
    return;
  }
  rng_torch_uniforms(rng, count, out);
  for (int64_t first = 0; first + 16 <= count; first += 16) rng_torch_block(out + first);
  if (count % 16 == 0) return;
  rng_torch_uniforms(rng, 16, out + count - 16);
  rng_torch_block(out + count - 16);
}
