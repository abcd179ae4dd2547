/* Normal numbers from a counter: any part of a picture's stream can be made at any time, in any order.
 *
 * Words: Philox4x32 with ten rounds (Salmon, Moraes, Dror & Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011).
 * Block b of a stream has the counter (b mod 2^32, b div 2^32, 0, 0) and the key (seed mod 2^32, seed div 2^32), and
 * gives the words w0 .. w3. One round, on counter (c0, c1, c2, c3) and key (k0, k1), all modulo 2^32:
 *     p = c0 * 0xD2511F53, q = c2 * 0xCD9E8D57, both with 64 bits
 *     (c0, c1, c2, c3) = (high(q) ^ c1 ^ k0, low(q), high(p) ^ c3 ^ k1, low(p))
 * and between two rounds k0 += 0x9E3779B9, k1 += 0xBB67AE85.
 *
 * Numbers: 4b .. 4b+3 of the stream come from block b, two by Box and Muller's rule from (w0, w1), two from (w2, w3).
 * All in double, each operation rounded, log and sincos those of math.c, sqrt IEEE's:
 *     u = (w0 + 0.5) * 2^-32, v = (w1 + 0.5) * 2^-32 (both exact, never 0 or 1)
 *     radius = sqrt(-2 * log(u)), angle = TWO_PI * v
 *     first number float(radius * cos(angle)), second float(radius * sin(angle))
 * The largest possible number is 6.77. */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/core/elementary.h"
#include "lib/sampling/rng.h"

static const double random_two_pi = 0x1.921fb54442d18p+2;

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
  dit__sincos(random_two_pi * v, &sine, &cosine);
  pair[0] = radius * cosine;
  pair[1] = radius * sine;
}

static void random_pair(uint32_t first, uint32_t second, float *out) {
  double pair[2];
  dit__box_muller((first + 0.5) * 0x1p-32, (second + 0.5) * 0x1p-32, pair);
  out[0] = (float)pair[0];
  out[1] = (float)pair[1];
}

static void random_block(uint64_t seed, uint64_t block, float out[4]) {
  uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0}, words[4];
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  dit__philox(counter, key, words);
  random_pair(words[0], words[1], out);
  random_pair(words[2], words[3], out + 2);
}

void dit__normal(uint64_t seed, uint64_t first, int64_t count, float *out) {
  float block[4];
  for (int64_t i = 0; i < count; i++) {
    uint64_t number = first + (uint64_t)i;
    if (i == 0 || number % 4 == 0) random_block(seed, number / 4, block);
    out[i] = block[number % 4];
  }
}
