/* Arithmetic that the kernels rest on, of every instruction set (kernels.h says how): the emulated fma, exp, silu, gelu
 * and the conversion of stored types.
 *
 * It fails if the emulated fma differs from the processor's or the C library's, if exp, silu or gelu is less accurate
 * than said below, or if a conversion is not exact. --long also tries a billion fused multiply-adds. */
#include "tests/kernels.h"

/* ---- Fused multiply-add ---- */

enum { TRIPLES = 4096 };
typedef struct triples {
  float a[TRIPLES], b[TRIPLES], c[TRIPLES], emulated[TRIPLES], fused[TRIPLES];
} triples;

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
__attribute__((target("fma"))) static void fuse_by_instruction(triples *t) {
  for (int i = 0; i < TRIPLES; i++) t->fused[i] = __builtin_fmaf(t->a[i], t->b[i], t->c[i]);
}
static int has_fma(void) { return __builtin_cpu_supports("fma") != 0; }
#else
static void fuse_by_instruction(triples *t) {
  for (int i = 0; i < TRIPLES; i++) t->fused[i] = fmaf(t->a[i], t->b[i], t->c[i]);
}
static int has_fma(void) { return 0; }
#endif

static void fuse_by_libm(triples *t) {
  for (int i = 0; i < TRIPLES; i++) t->fused[i] = fmaf(t->a[i], t->b[i], t->c[i]);
}

/* Returns a finite number with the given exponent field, and few or many bits in its fraction. */
static float number_near(int32_t exponent) {
  uint32_t fraction = random_word() & 0x7fffff;
  const uint32_t word = random_word();
  if ((word & 3) == 0) fraction = (1u << (word >> 4 & 31)) >> 1 & 0x7fffff;
  if ((word & 3) == 1) fraction = ~((1u << (word >> 4 & 31)) >> 1) & 0x7fffff;
  exponent = exponent < 0 ? 0 : exponent > 254 ? 254 : exponent;
  return from_bits((word & 0x80000000) | (uint32_t)exponent << 23 | fraction);
}

static const float special_numbers[] = {
    0.0f,     0x1p-149f,       0x1.fffffcp-127f, 0x1p-126f, 0x1p-75f,       0x1p-64f, 0x1p-63f,
    0x1p-24f, 0x1.000002p-24f, 0x1.fffffep-25f,  0x1p-1f,   0x1.fffffep-1f, 1.0f,     0x1.000002p0f,
    0x1.8p0f, 0x1p24f,         0x1.fffffep23f,   0x1p63f,   0x1p64f,        0x1p127f, 0x1.fffffep127f};
enum { SPECIALS = sizeof special_numbers / sizeof *special_numbers };

static float special_number(void) {
  const float x = special_numbers[random_below(SPECIALS)];
  return random_word() >> 31 ? -x : x;
}

static void random_triple(float *a, float *b, float *c) {
  const int32_t here = random_below(255), shift = random_below(61) - 30;
  switch (random_below(8)) {
    case 0: /* anything */
      *a = number_near(here);
      *b = number_near(random_below(255));
      *c = number_near(random_below(255));
      break;
    case 1: /* product and summand of comparable size */
      *a = number_near(here);
      *b = number_near(127 + shift);
      *c = number_near(here + shift + random_below(61) - 30);
      break;
    case 2: /* cancellation, but for some units in the last place */
      *a = number_near(100 + random_below(50));
      *b = number_near(100 + random_below(50));
      *c = from_bits(to_bits(-(*a * *b)) + (uint32_t)random_below(7) - 3);
      break;
    case 3: /* the product is about half a unit of the summand: ties and their neighbours */
      *a = number_near(80 + random_below(90));
      *b = number_near(127 + shift);
      *c = number_near((int32_t)(to_bits(*a) >> 23 & 255) + shift + 23 + random_below(3));
      break;
    case 4: /* the summand is about half a unit of the product */
      *a = number_near(100 + random_below(50));
      *b = number_near(127 + shift);
      *c = number_near((int32_t)(to_bits(*a) >> 23 & 255) + shift - 25 + random_below(3));
      break;
    case 5: /* subnormal results */
      *a = number_near(here < 20 ? 20 : here);
      *b = number_near(127 - (int32_t)(to_bits(*a) >> 23 & 255) - random_below(30) + 3);
      *c = random_below(4) ? number_near(random_below(4)) : from_bits(random_word() & 0x80000003);
      break;
    case 6: /* overflow */
      *a = number_near(127 + random_below(127));
      *b = number_near(254 + 127 - (int32_t)(to_bits(*a) >> 23 & 255) - random_below(4));
      *c = number_near(254 - random_below(30));
      break;
    default:
      *a = special_number();
      *b = special_number();
      *c = random_below(2) ? special_number() : number_near(here);
      break;
  }
}

static void compare_fma(triples *t, int by_libm) {
  for (int i = 0; i < TRIPLES; i++) t->emulated[i] = reference_fma(t->a[i], t->b[i], t->c[i]);
  if (by_libm)
    fuse_by_libm(t);
  else
    fuse_by_instruction(t);
  int at = 0;
  if (memcmp(t->emulated, t->fused, sizeof t->fused) != 0)
    while (at < TRIPLES && (!memcmp(&t->emulated[at], &t->fused[at], 4) ||
                            (t->emulated[at] != t->emulated[at] && t->fused[at] != t->fused[at])))
      at++;
  else
    at = TRIPLES;
  CHECK(at == TRIPLES, "fma(%a, %a, %a) is %a, not %a", (double)t->a[at % TRIPLES], (double)t->b[at % TRIPLES],
        (double)t->c[at % TRIPLES], (double)t->emulated[at % TRIPLES], (double)t->fused[at % TRIPLES]);
}

/* Every triple of special numbers, infinities included: what overflows inside gelu must stay what it is. */
static void test_fma_specials(triples *t) {
  enum { MANY = 2 * (SPECIALS + 1) };
  float all[MANY];
  for (int i = 0; i < SPECIALS; i++) all[i] = special_numbers[i];
  all[SPECIALS] = from_bits(0x7f800000);
  for (int i = 0; i <= SPECIALS; i++) all[SPECIALS + 1 + i] = -all[i];
  int filled = 0;
  for (int i = 0; i < MANY * MANY * MANY; i++) {
    t->a[filled] = all[i % MANY];
    t->b[filled] = all[i / MANY % MANY];
    t->c[filled++] = all[i / MANY / MANY];
    if (filled < TRIPLES && i + 1 < MANY * MANY * MANY) continue;
    for (; filled < TRIPLES; filled++) t->a[filled] = t->b[filled] = t->c[filled] = 1;
    compare_fma(t, !has_fma());
    filled = 0;
  }
}

static void test_fma(int64_t count) {
  static triples t;
  test_fma_specials(&t);
  for (int64_t done = 0; done < count; done += TRIPLES) {
    for (int i = 0; i < TRIPLES; i++) random_triple(&t.a[i], &t.b[i], &t.c[i]);
    compare_fma(&t, !has_fma() || done < TRIPLES * 64);
  }
  if (!has_fma()) SKIP("the processor's fma: absent; the C library's took its place");
}

/* ---- Elementary functions ---- */

static void test_exp(int32_t count) {
  worst kept = {0, 0};
  for (int32_t i = 0; i <= count; i++) {
    const float x = -87 + 175 * (float)((double)i / count);
    const double truth = exp((double)x);
    keep_worst(&kept, fabs(reference_exp(x) - truth) / truth, x);
  }
  for (int32_t n = -251; n < 253; n++) /* both sides of where x / ln 2 is rounded, and of whole multiples */
    for (int32_t step = -100; step <= 100; step++) {
      const float x = from_bits(to_bits((float)(n * 0.34657359027997265)) + (uint32_t)step);
      if (!(x >= -87 && x <= 88)) continue;
      const double truth = exp((double)x);
      keep_worst(&kept, fabs(reference_exp(x) - truth) / truth, x);
    }
  printf("  exp         largest relative error %.3g, at %.9g\n", kept.error, kept.at);
  CHECK(kept.error < 2e-7, "exp: relative error %g at %g", kept.error, kept.at);
  CHECK(reference_exp(0) == 1 && reference_exp(-0.0f) == 1, "exp(0) is 1");
  CHECK(reference_exp(-1e30f) == reference_exp(-87) && reference_exp(3e38f) == reference_exp(88),
        "exp is cut at -87 and 88");
}

static const char *activation_names[2] = {"silu", "gelu"};

/* Checks the errors of silu or gelu, x / (1 + exp(-z)), whose z is rounded: relative to the truth for each unit of z
 * that is negative, plus one. Where exp(-z) is clamped, x times exp(-87) may be left. */
static void check_activation(int gelu, const float *x, const float *got, int32_t count) {
  worst kept = {0, 0};
  int cut = 1;
  for (int32_t i = 0; i < count; i++) {
    const double v = x[i], z = gelu ? 2 * sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v) : v;
    const double error = fabs(got[i] - v / (1 + exp(-z)));
    if (z < -87)
      cut &= error <= fabs(v) * 2e-38;
    else if (fabs(v) > 1e-30)
      keep_worst(&kept, error / fabs(v / (1 + exp(-z))) / (1 + (gelu && z < 0 ? -z : 0)), v);
  }
  printf("  %-10s  largest relative error %.3g%s, at %.9g\n", activation_names[gelu], kept.error,
         gelu ? " * (1 + |exponent|)" : "", kept.at);
  CHECK(kept.error < 3e-7, "%s: relative error %g at %g", activation_names[gelu], kept.error, kept.at);
  CHECK(cut, "%s of large negative numbers", activation_names[gelu]);
}

/* silu of all of x, and gelu as the epilogue of a product of zeros with x for a bias. */
static void test_activations(int32_t count) {
  static const float extreme[] = {3e38f,  -3e38f, 1e20f,
                                  -1e20f, -0.0f,  0x1p-149f}; /* x * x is infinite inside of gelu */
  const size_t size = (size_t)count;
  float *x = floats(size, PLAIN), *out[MAX_TABLES][2] = {{NULL}}, zero = 0;
  for (int32_t i = 0; i < count; i++) x[i] *= i < count / 2 ? 50 : 3;
  memcpy(x, extreme, sizeof extreme);
  for (int t = 0; t < table_count; t++) {
    now(t, "silu and gelu");
    float *panels = floats(panel_floats(&tables[t], count, 1), FLAT);
    dit__gemm p;
    memset(&p, 0, sizeof p);
    p.a = &zero;
    p.line = p.taps = p.channels = p.rows_per_sample = 1;
    p.panels = panels;
    p.columns = count;
    p.bias = x;
    p.out = out[t][1] = floats(size, STYLES);
    p.epilogue = DIT__EPILOGUE_GELU;
    tables[t].gemm(&p, 0, 1, floats((size_t)dit__gemm_scratch(), STYLES));
    out[t][0] = floats(size, STYLES);
    tables[t].silu(x, count, out[t][0]);
    for (int gelu = 0; gelu < 2; gelu++) same_floats(out[0][gelu], out[t][gelu], size);
  }
  for (int gelu = 0; gelu < 2; gelu++) check_activation(gelu, x, out[0][gelu], count);
  release_arrays();
}

static void test_silu(int style) {
  const size_t count = (size_t)random_size(400);
  float *x = floats(count, style), *expected = floats(count, STYLES);
  tables[0].silu(x, (int64_t)count, expected);
  for (int t = 1; t < table_count; t++) {
    now(t, "silu of %zu, %s", count, style_names[style]);
    float *out = t == 1 ? copy(x, count) : floats(count, STYLES); /* in place, too */
    tables[t].silu(t == 1 ? out : x, (int64_t)count, out);
    same_floats(expected, out, count);
  }
  release_arrays();
}

/* ---- Stored types ---- */

static void test_convert(int style) {
  const int32_t type = random_below(4);
  const size_t count = (size_t)random_size(300);
  const uint8_t *x = stored(type, count, style);
  const float scale = random_number(PLAIN);
  float *expected = floats(count, STYLES);
  for (size_t i = 0; i < count; i++) expected[i] = stored_value(type, x, i, scale);
  for (int t = 0; t < table_count; t++) {
    now(t, "convert type %d, %zu, %s", (int)type, count, style_names[style]);
    float *out = floats(count, STYLES);
    tables[t].convert(type, x, (int64_t)count, scale, out);
    same_floats(expected, out, count);
  }
  release_arrays();
}

/* Converts every number of 16 bits. */
static void test_convert_all(int32_t type) {
  uint8_t *x = (uint8_t *)array_new(65536 * 2);
  for (uint32_t i = 0; i < 2 * 65536; i++) x[i] = (uint8_t)(i / 2 >> i % 2 * 8);
  for (int t = 0; t < table_count; t++) {
    now(t, "convert all of type %d", (int)type);
    float *out = floats(65536, FLAT);
    tables[t].convert(type, x, 65536, 0, out);
    uint32_t wrong = 0, last = 0;
    for (uint32_t i = 0; i < 65536; i++) {
      const float value = stored_value(type, x, i, 0);
      if (value == value ? to_bits(out[i]) == to_bits(value) : out[i] != out[i]) continue;
      wrong++;
      last = i;
    }
    CHECK(!wrong, "%s: %u of 65536 differ, as %#x: %a", under_way, wrong, last, (double)out[last]);
  }
  release_arrays();
}

/* ---- All of it ---- */

static void test_round(int style) {
  test_convert(style);
  test_silu(style);
}

int main(int argc, char **argv) {
  const int large = kernels_begin(argc, argv, 1);
  test_fma(large ? 1000000000 : 16000000);
  test_exp(large ? 100000000 : 2000000);
  test_activations(large ? 4000000 : 400000);
  test_convert_all(DIT__F16);
  test_convert_all(DIT__BF16);
  kernels_rounds(large, test_round);
  return test_end("test_kernels_math");
}
