/* exp, log, sin and cos in double: the same bits on every machine, with an error below one unit in the last place.
 *
 * They use only + - * / of doubles, each rounded to nearest, in the order of the parentheses below; no operation is
 * fused, and nothing comes from libm. Every coefficient is a quotient of two integers, rounded once; the constants in
 * hexadecimal are exact. poly(x; c0 .. cn) is Horner's rule: p = cn, then p = p * x + c for c(n-1) .. c0, where product
 * and sum are each rounded. trunc drops the fraction. 2^n is a double made from its bits.
 *
 * exp(x)   NaN -> NaN; x > 710 -> infinity; x < -746 -> 0. Otherwise
 *          n = trunc(x * INVERSE_LN2 + (x < 0 ? -0.5 : 0.5))
 *          r = (x - n * LN2_HIGH) - n * LN2_LOW
 *          y = 1 + (r + (r * r) * poly(r; 1/2!, 1/3!, .. 1/13!))
 *          h = trunc(n / 2); result (y * 2^h) * 2^(n - h)
 * log(x)   NaN -> NaN; x < 0 -> NaN; 0 -> -infinity; infinity -> infinity. Otherwise
 *          x = m * 2^n with 1 <= m < 2, exactly; if m > SQRT2, m = m * 0.5 and n = n + 1
 *          f = m - 1; s = f / (2 + f); z = s * s; q = z * poly(z; 2/3, 2/5, .. 2/23)
 *          result n * LN2_HIGH - ((s * (f - q) - n * LN2_LOW) - f)
 * sincos   |x| >= 1e6 or NaN -> NaN, NaN. Otherwise the nearest multiple n of pi/2 is subtracted in four parts, A to D;
 *          the products with A, B and C are exact. What the roundings lose, e and c, is kept:
 *          n = trunc(x * TWO_BY_PI + (x < 0 ? -0.5 : 0.5))
 *          d = x - n * A
 *          d1 = d - n * B;          e = (d - d1) - n * B;  t = n * C - e
 *          d2 = d1 - t;             e = (d1 - d2) - t;     t = n * D - e
 *          r = d2 - t;              c = (d2 - r) - t       (r + c is the reduced angle)
 *          z = r * r;  h = 0.5 * z;  w = 1 - h
 *          S = r + ((r * z) * poly(z; -1/3!, 1/5!, .. 1/17!) + c * w)
 *          C = w + (((1 - w) - h) + ((z * z) * poly(z; 1/4!, -1/6!, .. 1/16!) - r * c))
 *          n mod 4:  0: sin S, cos C;  1: C, -S;  2: -S, -C;  3: -C, S */
#include "lib/core/numerics.h"

#include <stdint.h>
#include <string.h>

#include "lib/core/elementary.h"

/* ln 2 = LN2_HIGH + LN2_LOW; the high part has 42 bits, so its products with 11-bit numbers are exact. */
static const double math_ln2_high = 0x1.62e42fefa3800p-1, math_ln2_low = 0x1.ef35793c76730p-45;
static const double math_inverse_ln2 = 0x1.71547652b82fep+0, math_sqrt2 = 0x1.6a09e667f3bcdp+0;

/* pi/2 = A + B + C + D; the first three have at most 33 bits, so their products with 20-bit numbers are exact. */
static const double math_half_pi_a = 0x1.921fb544p+0, math_half_pi_b = 0x1.0b4611a6p-34;
static const double math_half_pi_c = 0x1.3198a2ep-69, math_half_pi_d = 0x1.b839a252049c1p-104;
static const double math_two_by_pi = 0x1.45f306dc9c883p-1;

static const double math_exp_terms[12] = {1.0 / 2,        1.0 / 6,         1.0 / 24,         1.0 / 120,
                                          1.0 / 720,      1.0 / 5040,      1.0 / 40320,      1.0 / 362880,
                                          1.0 / 3628800., 1.0 / 39916800., 1.0 / 479001600., 1.0 / 6227020800.};
static const double math_log_terms[11] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11, 2.0 / 13,
                                          2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23};
static const double math_sin_terms[8] = {
    -1.0 / 6,         1.0 / 120,         -1.0 / 5040,           1.0 / 362880,
    -1.0 / 39916800., 1.0 / 6227020800., -1.0 / 1307674368000., 1.0 / 355687428096000.};
static const double math_cos_terms[7] = {1.0 / 24,         -1.0 / 720,          1.0 / 40320,          -1.0 / 3628800.,
                                         1.0 / 479001600., -1.0 / 87178291200., 1.0 / 20922789888000.};

static double math_from_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint64_t math_bits(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* 2^n for -1022 <= n <= 1023. */
static double math_power_of_two(int32_t n) { return math_from_bits((uint64_t)(n + 1023) << 52); }

static double math_infinity(void) { return math_from_bits(0x7ff0000000000000u); }
static double math_nan(void) { return math_from_bits(0x7ff8000000000000u); }

static double math_polynomial(double x, const double *terms, int32_t count) {
  double sum = terms[count - 1];
  for (int32_t i = count - 2; i >= 0; i--) sum = sum * x + terms[i];
  return sum;
}

static int32_t math_nearest(double x) { return (int32_t)(x + (x < 0 ? -0.5 : 0.5)); }

double dit__exp(double x) {
  if (x != x) return math_nan();
  if (x > 710) return math_infinity();
  if (x < -746) return 0;
  int32_t n = math_nearest(x * math_inverse_ln2), half = n / 2;
  double r = (x - n * math_ln2_high) - n * math_ln2_low;
  double y = 1 + (r + (r * r) * math_polynomial(r, math_exp_terms, 12));
  return (y * math_power_of_two(half)) *
         math_power_of_two(n - half); /* two factors, for 2^n alone may be out of range */
}

double dit__log(double x) {
  if (!(x >= 0)) return math_nan();
  if (x == 0) return -math_infinity();
  if (x == math_infinity()) return x;
  int32_t n = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    n = -54;
  }
  uint64_t bits = math_bits(x);
  n += (int32_t)(bits >> 52) - 1023;
  double m = math_from_bits((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  if (m > math_sqrt2) {
    m *= 0.5;
    n++;
  }
  double f = m - 1, s = f / (2 + f), z = s * s;
  double q = z * math_polynomial(z, math_log_terms, 11);
  return n * math_ln2_high - ((s * (f - q) - n * math_ln2_low) - f); /* log m = f - s (f - q) */
}

void dit__sincos(double x, double *sine, double *cosine) {
  if (!(x > -1e6 && x < 1e6)) {
    *sine = *cosine = math_nan();
    return;
  }
  int32_t n = math_nearest(x * math_two_by_pi);
  double d = x - n * math_half_pi_a, part = n * math_half_pi_b;
  double d1 = d - part, lost = (d - d1) - part;
  part = n * math_half_pi_c - lost;
  double d2 = d1 - part;
  lost = (d1 - d2) - part;
  part = n * math_half_pi_d - lost;
  double r = d2 - part, c = (d2 - r) - part;

  double z = r * r, h = 0.5 * z, w = 1 - h;
  double s = r + ((r * z) * math_polynomial(z, math_sin_terms, 8) + c * w);
  double k = w + (((1 - w) - h) + ((z * z) * math_polynomial(z, math_cos_terms, 7) - r * c));
  switch ((uint32_t)n & 3) {
    case 0: *sine = s, *cosine = k; break;
    case 1: *sine = k, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -k; break;
    default: *sine = -k, *cosine = s; break;
  }
}
