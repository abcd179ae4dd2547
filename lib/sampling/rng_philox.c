/* Normal numbers from Philox, a counter-based generator: any part of a stream can be made at any time, in any order.
 *
 * Words      Philox4x32 with ten rounds (Salmon, Moraes, Dror & Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3",
 *            2011). One round, on the counter (c0, c1, c2, c3) and the key (k0, k1), all modulo 2^32:
 *                p = c0 * 0xD2511F53, q = c2 * 0xCD9E8D57, both with 64 bits
 *                (c0, c1, c2, c3) = (high(q) ^ c1 ^ k0, low(q), high(p) ^ c3 ^ k1, low(p))
 *            and between two rounds k0 += 0x9E3779B9, k1 += 0xBB67AE85. The result is the words w0 .. w3.
 *
 * Box-Muller cosine(u, v) = sqrt(-2 * log(u)) * cos(TWO_PI * v), and sine(u, v) likewise, in double, each operation
 *            rounded; log, sin and cos are those of core/elementary.c, sqrt is IEEE's. The result is rounded to float.
 *
 * DIT        Block b of the stream of a seed has the counter (b mod 2^32, b div 2^32, 0, 0) and the key (seed mod 2^32,
 *            seed div 2^32). Its numbers, 4b .. 4b+3 of the stream, are cosine and sine of (u(w0), u(w1)), then those
 *            of (u(w2), u(w3)), with u(w) = (w + 0.5) * 2^-32, which is exact and never 0 or 1. The largest possible
 *            number is 6.77.
 *
 * PHILOX     torch.randn on CUDA, as NumPy programs have re-implemented it. It is equal to CUDA's while a call has no
 *            more numbers than the GPU runs threads. Number i of call k, both counted from 0, has the counter
 *            (k, 0, i, 0) and the key of the seed, and is sine(u(w0), u(w1)). */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/core/elementary.h"
#include "lib/sampling/rng_philox.h"

static const double rng_two_pi = 0x1.921fb54442d18p+2;

void dit__philox(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int32_t round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)c0 * 0xD2511F53u, q = (uint64_t)c2 * 0xCD9E8D57u;
    c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)q;
    c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

void dit__box_muller(double u, double v, double pair[2]) {
  const double radius = sqrt(-2 * dit__log(u));
  double sine, cosine;
  dit__sincos(rng_two_pi * v, &sine, &cosine);
  pair[0] = radius * cosine;
  pair[1] = radius * sine;
}

static void rng_dit_pair(uint32_t first, uint32_t second, float *out) {
  double pair[2];
  dit__box_muller((first + 0.5) * 0x1p-32, (second + 0.5) * 0x1p-32, pair);
  out[0] = (float)pair[0];
  out[1] = (float)pair[1];
}

static void rng_dit_block(uint64_t seed, uint64_t block, float out[4]) {
  uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0}, words[4];
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  dit__philox(counter, key, words);
  rng_dit_pair(words[0], words[1], out);
  rng_dit_pair(words[2], words[3], out + 2);
}

void dit__normal(uint64_t seed, uint64_t first, int64_t count, float *out) {
  float block[4];
  for (int64_t i = 0; i < count; i++) {
    uint64_t number = first + (uint64_t)i;
    if (i == 0 || number % 4 == 0) rng_dit_block(seed, number / 4, block);
    out[i] = block[number % 4];
  }
}

void dit__rng_philox(dit_rng *rng, int64_t count, float *out) {
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
