/* Streams of normal numbers: ours (random.c), and those of PyTorch, so that a seed makes the picture it made there.
 *
 * PyTorch's streams depend on how they are asked for: each call of dit__rng_call is one call of randn. Normal numbers
 * come from two uniform ones, u and v, by Box and Muller's rule: cosine(u, v) = sqrt(-2 * log(u)) * cos(TWO_PI * v),
 * and sine(u, v) likewise, all in double, then rounded to float (dit__box_muller; PyTorch computes them in float, and
 * differs by up to 1.3e-6).
 *
 * TORCH   torch.manual_seed(seed), then torch.randn on the processor: the words of mt19937 (Matsumoto & Nishimura
 * 1998), begun with the seed's low 32 bits. A call for n numbers takes, n >= 16: n uniforms (word mod 2^24) * 2^-24.
 * Then, for each whole block of 16, numbers j and j + 8 for j = 0..7 become cosine and sine of (1 - uniform j, uniform
 * j + 8). If n is no multiple of 16, the last 16 numbers are made anew in the same way from 16 further uniforms. n <
 * 16:  one after the other: two uniforms s and t, each ((first word * 2^32 + second word) mod 2^53) * 2^-53, give
 * cosine(1 - t, s), and sine(1 - t, s) is kept for the next number of such a call, however much later. PHILOX
 * torch.randn of CUDA as NumPy programs have re-implemented it; equal to it while a call has no more numbers than the
 * GPU runs threads. Number i of call k (both from 0): the first two words w0, w1 of Philox4x32-10 with the counter (k,
 * 0, i, 0) and the key of the seed; sine((w0 + 0.5) * 2^-32, (w1 + 0.5) * 2^-32). */
#include "lib/core/numerics.h"

#include "lib/core/error.h"
#include "lib/sampling/rng.h"

/* ---- mt19937 ---- */

static void generator_mt_begin(dit_rng *rng) {
  uint32_t *state = rng->state;
  state[0] = (uint32_t)rng->seed;
  for (uint32_t i = 1; i < DIT__MT_WORDS; i++) state[i] = 1812433253u * (state[i - 1] ^ state[i - 1] >> 30) + i;
  rng->word = DIT__MT_WORDS;
}

static void generator_mt_refill(dit_rng *rng) {
  uint32_t *state = rng->state;
  for (int32_t i = 0; i < DIT__MT_WORDS; i++) {
    const uint32_t y = (state[i] & 0x80000000u) | (state[(i + 1) % DIT__MT_WORDS] & 0x7fffffffu);
    state[i] = state[(i + 397) % DIT__MT_WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
  }
  rng->word = 0;
}

static uint32_t generator_mt_word(dit_rng *rng) {
  if (rng->word == DIT__MT_WORDS) generator_mt_refill(rng);
  uint32_t y = rng->state[rng->word++];
  y ^= y >> 11;
  y ^= y << 7 & 0x9d2c5680u;
  y ^= y << 15 & 0xefc60000u;
  return y ^ y >> 18;
}

static double generator_mt_double(dit_rng *rng) {
  const uint64_t high = generator_mt_word(rng), low = generator_mt_word(rng);
  return (double)((high << 32 | low) & (((uint64_t)1 << 53) - 1)) * 0x1p-53;
}

/* ---- randn ---- */

static void generator_few(dit_rng *rng, int64_t count, float *out) {
  for (int64_t i = 0; i < count; i++) {
    if (!rng->has_kept) {
      double pair[2];
      const double s = generator_mt_double(rng), t = generator_mt_double(rng);
      dit__box_muller(1 - t, s, pair);
      out[i] = (float)pair[0];
      rng->kept = (float)pair[1];
    } else {
      out[i] = rng->kept;
    }
    rng->has_kept = !rng->has_kept;
  }
}

static void generator_uniforms(dit_rng *rng, int64_t count, float *out) { /* exact in float */
  for (int64_t i = 0; i < count; i++) out[i] = (float)(generator_mt_word(rng) & 0xffffffu) * 0x1p-24f;
}

static void generator_block(float *block) {
  for (int32_t j = 0; j < 8; j++) {
    double pair[2];
    dit__box_muller(1 - (double)block[j], (double)block[j + 8], pair);
    block[j] = (float)pair[0];
    block[j + 8] = (float)pair[1];
  }
}

static void generator_torch(dit_rng *rng, int64_t count, float *out) {
  if (count < 16) {
    generator_few(rng, count, out);
    return;
  }
  generator_uniforms(rng, count, out);
  for (int64_t first = 0; first + 16 <= count; first += 16) generator_block(out + first);
  if (count % 16 == 0) return;
  generator_uniforms(rng, 16, out + count - 16);
  generator_block(out + count - 16);
}

static void generator_philox(dit_rng *rng, int64_t count, float *out) {
  const uint32_t key[2] = {(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32)};
  for (int64_t i = 0; i < count; i++) {
    const uint32_t counter[4] = {(uint32_t)rng->position, 0, (uint32_t)i, 0};
    uint32_t words[4];
    double pair[2];
    dit__philox(counter, key, words);
    dit__box_muller((words[0] + 0.5) * 0x1p-32, (words[1] + 0.5) * 0x1p-32, pair);
    out[i] = (float)pair[1];
  }
  rng->position++;
}

void dit__rng_begin(dit_rng *rng, int32_t generator, uint64_t seed) {
  rng->generator = generator;
  rng->seed = seed;
  rng->position = 0;
  rng->has_kept = 0;
  if (generator == DIT_GENERATOR_TORCH) generator_mt_begin(rng);
}

void dit__rng_call(dit_rng *rng, int64_t count, float *out) {
  switch (rng->generator) {
    case DIT_GENERATOR_TORCH: generator_torch(rng, count, out); break;
    case DIT_GENERATOR_PHILOX: generator_philox(rng, count, out); break;
    default: dit__normal(rng->seed, rng->position, count, out); rng->position += (uint64_t)count;
  }
}
