/* dit__exp, dit__log and dit__sincos against the C library's long double functions, and their bits against constants.
 * Fails if an error reaches two units in the last place anywhere, if a special point is not exact, or if this compiler,
 * option or machine gives other bits than the one the constants were made on (a fused multiply-add, x87, a flushed
 * denormal). */
#include <float.h>
#include <math.h>
#include <stdint.h>

#include "lib/core/elementary.h"
#include "tests/test.h"

#define LONG_HALF_PI 1.57079632679489661923132169163975144L

static uint64_t state = 1;

/* splitmix64 */
static uint64_t random_word(void) {
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static double uniform(double from, double to) { return from + (to - from) * ((double)(random_word() >> 11) * 0x1p-53); }

/* A positive double with any mantissa and a binary exponent in low..high. */
static double any_double(int low, int high) {
  double mantissa = 1 + (double)(random_word() >> 12) * 0x1p-52;
  return ldexp(mantissa, low + (int)(random_word() % (uint64_t)(high - low + 1)));
}

/* Units in the last place of the true value, denormals having those of the smallest normal number. */
static double ulps(double got, long double truth) {
  int exponent;
  frexpl(truth, &exponent);
  if (truth == 0 || exponent < DBL_MIN_EXP) exponent = DBL_MIN_EXP;
  return (double)(fabsl((long double)got - truth) / ldexpl(1, exponent - DBL_MANT_DIG));
}

typedef struct worst {
  double error, at;
} worst;

static void keep_worst(worst *kept, double error, double at) {
  if (error <= kept->error || kept->error != kept->error) return; /* a NaN stays */
  kept->error = error;
  kept->at = at;
}

static void report(const char *name, worst kept) {
  printf("  %-6s largest error %.3f ulp, at %.17g\n", name, kept.error, kept.at);
  CHECK(kept.error < 2, "%s: %.3f ulp at %a", name, kept.error, kept.at);
}

static void one_exp(worst *kept, double x) { keep_worst(kept, ulps(dit__exp(x), expl(x)), x); }

static void one_log(worst *kept, double x) { keep_worst(kept, ulps(dit__log(x), logl(x)), x); }

static void one_angle(worst *of_sine, worst *of_cosine, double x) {
  double sine, cosine;
  dit__sincos(x, &sine, &cosine);
  keep_worst(of_sine, ulps(sine, sinl(x)), x);
  keep_worst(of_cosine, ulps(cosine, cosl(x)), x);
}

static void test_exp(void) {
  worst kept = {0, 0};
  for (int i = 0; i <= 400000; i++) one_exp(&kept, -745 + 1454.0 * i / 400000);
  for (int i = 0; i <= 200000; i++) one_exp(&kept, -1 + i / 100000.0);
  for (int i = 0; i < 200000; i++) one_exp(&kept, uniform(-745, 709));
  for (int i = 0; i < 200000; i++) one_exp(&kept, (i % 2 ? 1 : -1) * any_double(-60, 8));
  for (int n = -1074; n <= 1023; n++) one_exp(&kept, (n + 0.5) * 0x1.62e42fefa39efp-1); /* ends of the reduction */
  report("exp", kept);
}

static void test_log(void) {
  worst kept = {0, 0};
  for (int i = 0; i < 400000; i++) one_log(&kept, any_double(-997, 996)); /* 1e-300 to 1e300 */
  for (int i = 0; i < 100000; i++) one_log(&kept, any_double(-1022, 1023));
  for (int i = 1; i <= 400000; i++) one_log(&kept, i / 200000.0);
  for (int i = 0; i < 100000; i++) one_log(&kept, 1 + (i % 2 ? 1 : -1) * any_double(-52, -2));
  for (int i = 0; i < 100000; i++) one_log(&kept, any_double(0, 0) * (i % 2 ? 0.5 : 1)); /* on both sides of sqrt 2 */
  for (int i = 1; i < 1000; i++) one_log(&kept, i * 0x1p-1074);
  report("log", kept);
}

static void test_sincos(void) {
  worst of_sine = {0, 0}, of_cosine = {0, 0};
  for (int i = -300000; i <= 300000; i++) one_angle(&of_sine, &of_cosine, i / 30000.0);
  for (int i = 0; i < 300000; i++) one_angle(&of_sine, &of_cosine, uniform(-1e6, 1e6));
  for (int i = 0; i < 300000; i++) one_angle(&of_sine, &of_cosine, (i % 2 ? 1 : -1) * any_double(-60, 18));
  /* Next to every multiple of pi/2 in range, where the reduction loses most. */
  for (int n = 1; n <= 636619; n++) one_angle(&of_sine, &of_cosine, (double)(n * LONG_HALF_PI));
  report("sin", of_sine);
  report("cos", of_cosine);
}

static void test_special_points(void) {
  double sine, cosine, infinity = HUGE_VAL, nan = infinity - infinity;
  CHECK(dit__exp(0) == 1 && dit__exp(-0.0) == 1, "exp(0) is not 1");
  CHECK(dit__exp(710) == infinity && dit__exp(711) == infinity && dit__exp(infinity) == infinity, "exp beyond the top");
  CHECK(dit__exp(-746) == 0 && dit__exp(-747) == 0 && dit__exp(-infinity) == 0, "exp beyond the bottom");
  CHECK(dit__exp(709.78) < infinity && dit__exp(-745) > 0, "exp ends too early");
  CHECK(dit__exp(nan) != dit__exp(nan), "exp(NaN)");
  CHECK(dit__log(1) == 0 && !signbit(dit__log(1)), "log(1) is not 0");
  CHECK(dit__log(infinity) == infinity && dit__log(0) == -infinity, "log at its ends");
  CHECK(dit__log(nan) != dit__log(nan) && dit__log(-1) != dit__log(-1), "log(NaN) or log(-1)");
  dit__sincos(0, &sine, &cosine);
  CHECK(sine == 0 && cosine == 1, "sincos(0) is %a, %a", sine, cosine);
  double outside[4] = {1e6, -1e300, infinity, nan};
  for (int i = 0; i < 4; i++) {
    dit__sincos(outside[i], &sine, &cosine);
    CHECK(sine != sine && cosine != cosine, "sincos(%g) is %g, %g", outside[i], sine, cosine);
  }
}

/* FNV-1a over the bytes of a number, the low one first. */
static uint64_t fnv(uint64_t hash, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  for (int i = 0; i < 8; i++) hash = (hash ^ (bits >> 8 * i & 255)) * 0x100000001B3u;
  return hash;
}

static void check_hash(const char *name, uint64_t hash, uint64_t wanted) {
  CHECK(hash == wanted, "%s: the hash of the results is 0x%016llx, not 0x%016llx", name, (unsigned long long)hash,
        (unsigned long long)wanted);
}

/* The points are exact functions of i (no operation on it rounds), the same everywhere. Those of exp reach from
 * denormal results to overflow. */
static void test_bits(void) {
  uint64_t of_exp = 0xCBF29CE484222325u, of_log = of_exp, of_sincos = of_exp;
  for (int i = 0; i < 50000; i++) {
    double sine, cosine;
    of_exp = fnv(of_exp, dit__exp((i - 25000) * (61 / 2048.0)));
    of_log = fnv(of_log, dit__log(ldexp(1 + i / 65536.0, i % 1990 - 995)));
    dit__sincos((i - 25000) * (39 + 5 / 16384.0) + i / 1048576.0, &sine, &cosine);
    of_sincos = fnv(fnv(of_sincos, sine), cosine);
  }
  check_hash("exp", of_exp, 0x3c3687d5823b565c);
  check_hash("log", of_log, 0xf678f8763dc34be7);
  check_hash("sincos", of_sincos, 0x5a793bfc75f0a73b);
}

int main(void) {
  if (LDBL_MANT_DIG >= 64) {
    test_exp();
    test_log();
    test_sincos();
  } else {
    SKIP("accuracy: long double is no wider than double here; special points and bits are tested");
  }
  test_special_points();
  test_bits();
  return test_end("math");
}
