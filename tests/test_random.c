/* Philox4x32-10 and the stream of normal numbers that is made from it.
 *
 * The test fails if a word differs from the published known answers; if a stream depends on how it is divided into
 * calls; if the numbers are not standard normal and independent, as far as a million of them show; if the caller's
 * rounding mode changes them; or if their bits differ from those of the machine on which the constants were made. */
#include <fenv.h>
#include <math.h>
#include <stdint.h>

#include "lib/sampling/rng.h"
#include "lib/sampling/rng_philox.h"
#include "tests/test.h"

enum { MANY = 1000000 };

/* From the known-answer file of Random123, the generator's published code: counter, key, words. */
static void test_known_answers(void) {
  static const uint32_t known[3][10] = {{0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
                                         0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
                                         0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
  for (int i = 0; i < 3; i++) {
    uint32_t words[4];
    dit__philox(known[i], known[i] + 4, words);
    CHECK(memcmp(words, known[i] + 6, sizeof words) == 0, "answer %d: %08x %08x %08x %08x", i, words[0], words[1],
          words[2], words[3]);
  }
}

/* The definition of the stream again, from the words, with the C library's functions. */
static void test_rule(void) {
  uint64_t seed = 0x0123456789abcdefu, block = 0x300000005u;
  uint32_t counter[4] = {5, 3, 0, 0}, key[2] = {0x89abcdef, 0x01234567}, words[4];
  float got[4];
  dit__philox(counter, key, words);
  dit__normal(seed, 4 * block, 4, got);
  for (int i = 0; i < 4; i++) {
    double u = (words[i & 2] + 0.5) / 4294967296.0,
           angle = 2 * 3.14159265358979323846 * (words[i | 1] + 0.5) / 4294967296.0;
    double wanted = sqrt(-2 * log(u)) * (i % 2 ? sin(angle) : cos(angle));
    CHECK(fabs(got[i] - wanted) <= 6e-8 * fabs(wanted), "number %d is %.9g, not %.9g", i, (double)got[i], wanted);
  }
}

static void test_cuts(const float *whole, uint64_t seed) {
  float part[64];
  for (int first = 0; first < 9; first++) {
    for (int count = 0; count < 12; count++) {
      part[count] = 99;
      dit__normal(seed, (uint64_t)first, count, part);
      CHECK(memcmp(part, whole + first, (size_t)count * sizeof *part) == 0, "numbers %d..+%d differ", first, count);
      CHECK(part[count] == 99, "number %d of %d was written", count, count);
    }
  }
  dit_rng *rng;
  dit_error error;
  if (!CHECK(dit_rng_open(DIT_GENERATOR_DIT, seed, &rng, &error) == DIT_OK, "dit_rng_open")) return;
  for (int done = 0, count = 0; done + count < 1000; done += count, count = (count * 7 + 3) % 23) {
    CHECK(dit_rng_normal(rng, count, part) == DIT_OK, "dit_rng_normal");
    CHECK(memcmp(part, whole + done, (size_t)count * sizeof *part) == 0, "dit_rng: numbers %d..+%d differ", done,
          count);
  }
  dit_rng_close(rng);
}

static void test_errors(void) {
  static const int32_t refused[2][2] = {{4, DIT_ERROR_ARGUMENT}, {-1, DIT_ERROR_ARGUMENT}};
  float numbers[4] = {0, 0, 0, 0}, same[4];
  for (int i = 0; i < 2; i++) {
    dit_rng *rng = (dit_rng *)numbers;
    dit_error error = {0, ""};
    dit_status status = dit_rng_open(refused[i][0], 1, &rng, &error);
    CHECK(status == refused[i][1] && error.status == status && !rng, "generator %d: status %d", refused[i][0], status);
    CHECK(strlen(error.message) > 20, "generator %d: the message is \"%s\"", refused[i][0], error.message);
  }
  CHECK(dit_rng_open(0, 1, NULL, NULL) == DIT_ERROR_ARGUMENT, "rng NULL");
  CHECK(dit_rng_normal(NULL, 1, numbers) == DIT_ERROR_ARGUMENT, "dit_rng_normal of NULL");
  dit_rng_close(NULL);
  dit_rng *rng;
  if (!CHECK(dit_rng_open(0, 1, &rng, NULL) == DIT_OK, "generator 0")) return;
  CHECK(dit_rng_normal(rng, -1, numbers) == DIT_ERROR_ARGUMENT, "count -1");
  CHECK(dit_rng_normal(rng, 1, NULL) == DIT_ERROR_ARGUMENT, "out NULL");
  CHECK(dit_rng_normal(rng, 0, NULL) == DIT_OK, "count 0");
  CHECK(dit_rng_normal(rng, 4, numbers) == DIT_OK, "count 4");
  dit__normal(1, 0, 4, same);
  CHECK(memcmp(numbers, same, sizeof same) == 0, "a refused call moved the stream");
  dit_rng_close(rng);
}

/* A caller that rounds upwards gets the same numbers, and keeps its rounding mode. */
static void test_rounding(const float *whole, uint64_t seed) {
  float part[1000];
  dit_rng *rng;
  if (!CHECK(dit_rng_open(0, seed, &rng, NULL) == DIT_OK, "dit_rng_open")) return;
  if (fesetround(FE_UPWARD)) {
    SKIP("this machine does not round upwards");
  } else {
    dit_rng_normal(rng, 1000, part);
    int mode = fegetround();
    fesetround(FE_TONEAREST);
    CHECK(memcmp(part, whole, sizeof part) == 0, "the caller's rounding reached the numbers");
    CHECK(mode == FE_UPWARD, "dit_rng_normal left rounding mode %d", mode);
  }
  dit_rng_close(rng);
}

static int compare_floats(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* Each bound is about four standard errors; the seeds are fixed, so the outcome is too. */
static void test_moments(const float *x) {
  double sum[5] = {0, 0, 0, 0, 0}, root = sqrt((double)MANY);
  for (int i = 0; i < MANY; i++) {
    double power = x[i];
    for (int k = 1; k < 5; k++, power *= x[i]) sum[k] += power / MANY;
  }
  double mean = sum[1], variance = sum[2] - mean * mean, third = sum[3] - 3 * mean * sum[2] + 2 * mean * mean * mean;
  double fourth = sum[4] - 4 * mean * sum[3] + 6 * mean * mean * sum[2] - 3 * mean * mean * mean * mean;
  double skew = third / pow(variance, 1.5), kurtosis = fourth / (variance * variance);
  printf("  mean %.5f, variance %.5f, skew %.5f, kurtosis %.5f\n", mean, variance, skew, kurtosis);
  CHECK(fabs(mean) * root < 4, "mean %g", mean);
  CHECK(fabs(variance - 1) * root < 4 * sqrt(2), "variance %g", variance);
  CHECK(fabs(skew) * root < 4 * sqrt(6), "skew %g", skew);
  CHECK(fabs(kurtosis - 3) * root < 4 * sqrt(24), "kurtosis %g", kurtosis);
}

/* The Kolmogorov-Smirnov distance between the sorted numbers and the normal distribution. */
static void test_distribution(const float *sorted, const char *name) {
  double distance = 0;
  for (int i = 0; i < MANY; i++) {
    double below = 0.5 * erfc(-sorted[i] * 0.70710678118654752440);
    distance = fmax(distance, fmax(below - (double)i / MANY, (i + 1.0) / MANY - below));
  }
  distance *= sqrt((double)MANY);
  printf("  Kolmogorov-Smirnov, %s: %.3f (1.95 is exceeded once in 1000)\n", name, distance);
  CHECK(distance < 1.95, "Kolmogorov-Smirnov %g", distance);
}

static double correlation(const float *a, const float *b, int count) {
  double ab = 0, aa = 0, bb = 0;
  for (int i = 0; i < count; i++) ab += (double)a[i] * b[i], aa += (double)a[i] * a[i], bb += (double)b[i] * b[i];
  return ab / sqrt(aa * bb);
}

static void check_correlation(const char *what, uint64_t seed, const float *a, const float *b, int count) {
  double found = correlation(a, b, count) * sqrt((double)count);
  CHECK(fabs(found) < 4.5, "%s, seed %llu: correlation of %.2f standard errors", what, (unsigned long long)seed, found);
}

static void test_independence(const float *x) {
  enum { PART = 20000 };
  float *one = (float *)malloc(2 * PART * sizeof *one), *other = one + PART;
  if (!CHECK(one != NULL, "no memory")) return;
  for (int lag = 1; lag <= 16; lag++)
    check_correlation("neighbours in a stream", (uint64_t)lag, x, x + lag, MANY - lag);
  for (uint64_t seed = 0; seed < 64; seed++) {
    dit__normal(seed, 0, PART, one);
    dit__normal(seed + 1, 0, PART, other);
    check_correlation("neighbouring seeds", seed, one, other, PART);
    dit__normal(seed ^ (uint64_t)1 << seed, 0, PART, other);
    check_correlation("seeds one bit apart", seed, one, other, PART);
  }
  free(one);
}

/* FNV-1a over the bits of the numbers, the low byte of each first. */
static void test_bits(const float *x) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (int i = 0; i < MANY; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    for (int k = 0; k < 4; k++) hash = (hash ^ (bits >> 8 * k & 255)) * 0x100000001B3u;
  }
  CHECK(hash == 0x955997160b327704, "the hash of the numbers is 0x%016llx", (unsigned long long)hash);
}

int main(void) {
  uint64_t seed = 2022;
  float *x = (float *)malloc(MANY * sizeof *x);
  test_known_answers();
  test_rule();
  test_errors();
  if (!CHECK(x != NULL, "no memory")) return test_end("random");
  dit__normal(seed, 0, MANY, x);
  test_cuts(x, seed);
  test_rounding(x, seed);
  test_bits(x);
  test_moments(x);
  test_independence(x);
  qsort(x, MANY, sizeof *x, compare_floats);
  test_distribution(x, "a stream");
  for (int i = 0; i < MANY; i++) dit__normal((uint64_t)i, 7, 1, &x[i]);
  qsort(x, MANY, sizeof *x, compare_floats);
  test_distribution(x, "one number each of many seeds");
  free(x);
  return test_end("random");
}
