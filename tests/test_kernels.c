/* Every kernel of every instruction set against plain C without fma instructions, bit for bit, on random and extreme
 * numbers of many sizes; and plain C against definitions in double, long double and whole numbers.
 *
 * It fails if a tile, an edge, a transposition or a reduction of any instruction set has other bits than plain C; if
 * a kernel reads or writes beyond what it was given (every array ends or begins at memory that cannot be touched); if
 * the emulated fma differs from the processor's or the C library's; if exp, silu, gelu, attention, layer norm or
 * quantisation is less accurate than said below; if an int8 sum is not exact.
 *
 *   --seed N   other random numbers      --long   twenty times as many cases, and a billion fused multiply-adds
 *
 * Timing of the same kernels is in tests/bench. */
#define _DEFAULT_SOURCE /* mmap's MAP_ANONYMOUS */
#include "lib/core/numerics.h"

#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/kernels/kernels.h"
#include "tests/test.h"

#if defined(__aarch64__)
enum { ON_ARM = 1 };
#else
enum { ON_ARM = 0 };
#endif

/* The reference is a scalar table of this file's own, with the emulated fma whatever the compiler may use. */
#define DIT_EMULATE_FMA
#define dit__kernels_scalar scalar_without_fma
#include "lib/kernels/scalar.c"
#undef dit__kernels_scalar

enum { MOST_TABLES = 6, MOST_ARRAYS = 128 };
static dit__kernels tables[MOST_TABLES]; /* the first is the reference */
static const char *table_names[MOST_TABLES] = {"plain C without fma", "scalar"};
static int table_count = 2;

/* ---- Random numbers ---- */

static uint64_t state = 1;

static uint32_t random_word(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 32);
}

static int32_t random_below(int32_t most) { return (int32_t)(((uint64_t)random_word() * (uint32_t)most) >> 32); }

/* 1..most: any, small ones, multiples of 16 and their neighbours. */
static int32_t random_size(int32_t most) {
  int32_t size = random_below(most) + 1;
  const int32_t kind = random_below(4);
  if (kind == 0) size = random_below(20) + 1;
  if (kind > 1) size = (size + 15) / 16 * 16 + random_below(3) - 1;
  return size > most ? most : size;
}

enum { PLAIN, WIDE, TINY, FLAT, ZEROS, STEEP, STYLES };
static const char *style_names[STYLES] = {"plain", "wide", "subnormal", "constant", "zeros", "steep"};

static float random_number(int style) {
  const float x = (float)(int32_t)random_word() * 0x1p-30f;
  switch (style) {
    case WIDE: return ldexpf(x, random_below(60) - 30);
    case TINY: return x * 0x1p-135f;
    case FLAT: return 0.7f;
    case ZEROS: return random_below(8) ? (x < 0 ? -0.0f : 0.0f) : x;
    case STEEP: return x * 60; /* to +-120: exp is cut on both sides */
    default: return x;
  }
}

/* ---- Arrays between guards ---- */

/* A page that cannot be touched lies before and behind; what the array leaves of its own pages is checked. */
typedef struct array {
  uint8_t *map, *at;
  size_t inside, size;
} array;

enum { UNTOUCHED = 0x5a };
static array arrays[MOST_ARRAYS];
static int array_count;
static char under_way[200]; /* what is being computed */

static void *array_new(size_t size) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  array *a = &arrays[array_count++];
  a->size = size;
  a->inside = (size / page + 1) * page;
  a->map = (uint8_t *)mmap(NULL, a->inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (array_count == MOST_ARRAYS || a->map == MAP_FAILED ||
      mprotect(a->map + page, a->inside, PROT_READ | PROT_WRITE) != 0) {
    printf("  FAILED: no room for an array of %zu bytes\n", size);
    exit(1);
  }
  memset(a->map + page, UNTOUCHED, a->inside);
  a->at = a->map + page + (random_below(4) ? a->inside - size : 0);
  return a->at;
}

/* Numbers of a style, or for STYLES NaN: what is read before it is written shows. */
static float *floats(size_t count, int style) {
  float *x = (float *)array_new(count * sizeof(float));
  if (style == STYLES)
    memset(x, 0xff, count * sizeof(float));
  else
    for (size_t i = 0; i < count; i++) x[i] = random_number(style);
  return x;
}

static float *copy(const float *from, size_t count) {
  float *x = (float *)array_new(count * sizeof(float));
  memcpy(x, from, count * sizeof(float));
  return x;
}

/* Ends a case. */
static void release_arrays(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  int intact = 1;
  for (int i = 0; i < array_count; i++) {
    const array *a = &arrays[i];
    for (const uint8_t *p = a->map + page; p < a->at; p++) intact &= *p == UNTOUCHED;
    for (const uint8_t *p = a->at + a->size; p < a->map + page + a->inside; p++) intact &= *p == UNTOUCHED;
    munmap(a->map, a->inside + 2 * page);
  }
  array_count = 0;
  CHECK(intact, "%s: written beyond an array", under_way);
}

static void touched_a_guard(int signal_number) {
  (void)signal_number;
  static const char text[] = "  FAILED: beyond an array: ";
  if (write(1, text, sizeof text - 1) > 0 && write(1, under_way, strlen(under_way)) > 0 && write(1, "\n", 1) > 0)
    _exit(1);
  _exit(1);
}

/* Says what table t is to compute. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
now(int t, const char *format, ...) {
  va_list arguments;
  const int said = snprintf(under_way, sizeof under_way, "%s, ", table_names[t]);
  va_start(arguments, format);
  vsnprintf(under_way + said, sizeof under_way - (size_t)said, format, arguments);
  va_end(arguments);
}

static int same_floats(const float *expected, const float *got, size_t count) {
  size_t at = 0;
  if (!memcmp(expected, got, count * sizeof(float))) return CHECK(1, "same");
  while (!memcmp(&expected[at], &got[at], sizeof(float))) at++;
  return CHECK(0, "%s: number %zu of %zu is %a, not %a", under_way, at, count, (double)got[at], (double)expected[at]);
}

static int same_bytes(const void *expected, const void *got, size_t count) {
  size_t at = 0;
  while (at < count && ((const uint8_t *)expected)[at] == ((const uint8_t *)got)[at]) at++;
  return CHECK(at == count, "%s: byte %zu of %zu differs", under_way, at, count);
}

typedef struct worst {
  double error, at;
} worst;

static void keep_worst(worst *kept, double error, double at) {
  if (error <= kept->error || kept->error != kept->error) return; /* a NaN stays */
  kept->error = error;
  kept->at = at;
}

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

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

/* A finite number with an exponent field near the given one, and few or many bits in its fraction. */
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
  for (int i = 0; i < TRIPLES; i++) t->emulated[i] = f32_fma(t->a[i], t->b[i], t->c[i]);
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

static size_t panel_floats(const dit__kernels *k, int32_t columns, int32_t depth) {
  return (size_t)((columns + k->nr - 1) / k->nr) * (size_t)k->nr * (size_t)depth;
}

static void test_exp(int32_t count) {
  worst kept = {0, 0};
  for (int32_t i = 0; i <= count; i++) {
    const float x = -87 + 175 * (float)((double)i / count);
    const double truth = exp((double)x);
    keep_worst(&kept, fabs(scalar_v_exp(x) - truth) / truth, x);
  }
  for (int32_t n = -251; n < 253; n++) /* both sides of where x / ln 2 is rounded, and of whole multiples */
    for (int32_t step = -100; step <= 100; step++) {
      const float x = from_bits(to_bits((float)(n * 0.34657359027997265)) + (uint32_t)step);
      if (!(x >= -87 && x <= 88)) continue;
      const double truth = exp((double)x);
      keep_worst(&kept, fabs(scalar_v_exp(x) - truth) / truth, x);
    }
  printf("  exp         largest relative error %.3g, at %.9g\n", kept.error, kept.at);
  CHECK(kept.error < 2e-7, "exp: relative error %g at %g", kept.error, kept.at);
  CHECK(scalar_v_exp(0) == 1 && scalar_v_exp(-0.0f) == 1, "exp(0) is 1");
  CHECK(scalar_v_exp(-1e30f) == scalar_v_exp(-87) && scalar_v_exp(3e38f) == scalar_v_exp(88),
        "exp is cut at -87 and 88");
}

static const char *activation_names[2] = {"silu", "gelu"};

/* Errors of silu or gelu, x / (1 + exp(-z)), whose z is rounded: relative to the truth for each unit of z that is
 * negative, plus one. Where exp(-z) is cut, x times
 * exp(-87) may be left. */
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

/* silu of all of x, and gelu as the finish of a product of zeros with x for a bias. */
static void test_activations(int32_t count) {
  static const float extreme[] = {3e38f,  -3e38f, 1e20f,
                                  -1e20f, -0.0f,  0x1p-149f}; /* x * x is infinite inside of gelu */
  const size_t size = (size_t)count;
  float *x = floats(size, PLAIN), *out[MOST_TABLES][2] = {{NULL}}, zero = 0;
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

/* What the 16 bits of IEEE half precision mean (IEEE 754, 3.4). */
static float half_value(uint32_t half) {
  const int32_t exponent = half >> 10 & 31, fraction = half & 1023;
  const float size = exponent ? ldexpf((float)(1024 + fraction), exponent - 25) : ldexpf((float)fraction, -24);
  if (exponent == 31) return fraction ? NAN : half >> 15 ? -INFINITY : INFINITY;
  return half >> 15 ? -size : size;
}

static size_t type_size(int32_t type) { return type == DIT__F32 ? 4 : type == DIT__I8 ? 1 : 2; }

static float stored_value(int32_t type, const uint8_t *x, size_t i, float scale) {
  const uint8_t *at = x + i * type_size(type);
  if (type == DIT__I8) return (float)(int8_t)*at * scale;
  if (type == DIT__F16) return half_value((uint32_t)at[0] | (uint32_t)at[1] << 8);
  if (type == DIT__BF16) return from_bits((uint32_t)at[0] << 16 | (uint32_t)at[1] << 24);
  return from_bits((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

/* Numbers of a type, at odd addresses sometimes; no infinities in f16. */
static uint8_t *stored(int32_t type, size_t count, int style) {
  const size_t extra = random_below(4) ? 0 : (size_t)random_below(4);
  uint8_t *x = (uint8_t *)array_new(count * type_size(type) + extra);
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = to_bits(random_number(style));
    if (type == DIT__BF16) bits >>= 16;
    if (type == DIT__F16) bits = random_word() & 0xbbff;
    if (type == DIT__I8) bits = (uint32_t)(random_below(255) - 127);
    for (size_t b = 0; b < type_size(type); b++) x[i * type_size(type) + b] = (uint8_t)(bits >> 8 * b);
  }
  return x;
}

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

/* All that two bytes can say. */
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

/* Weights and their values, [row][k] in the order of products. */
typedef struct matrix {
  dit__weights w;
  float *dense;
} matrix;

static matrix random_matrix(int32_t type, int32_t rows, int32_t k, int32_t taps, int style) {
  matrix m;
  m.w.stride = k + (random_below(2) ? 0 : random_below(9));
  m.w.type = type;
  m.w.rows = rows;
  m.w.k = k;
  m.w.taps = taps;
  m.w.scale = type == DIT__I8 ? floats((size_t)rows, PLAIN) : NULL;
  m.w.data = stored(type, (size_t)(rows - 1) * (size_t)m.w.stride + (size_t)k, style);
  m.dense = floats((size_t)rows * (size_t)k, STYLES);
  for (int32_t n = 0; n < rows; n++)
    for (int32_t i = 0; i < k; i++) {
      const size_t channels = (size_t)(k / taps), tap = (size_t)i / channels, channel = (size_t)i % channels;
      m.dense[n * k + i] = stored_value(type, m.w.data, (size_t)n * (size_t)m.w.stride + channel * (size_t)taps + tap,
                                        m.w.scale ? m.w.scale[n] : 0);
    }
  return m;
}

/* Panels of columns first..first+count-1, each with its own end. */
static float *packed(const dit__kernels *k, const matrix *m, int32_t first, int32_t count) {
  float *panels = floats(panel_floats(k, count, m->w.k), STYLES);
  k->pack(&m->w, first, count, panels);
  return panels;
}

static void test_pack(int style) {
  const int32_t taps = random_below(2) ? 1 : 2 + random_below(8), rows = random_size(80);
  const int32_t k = taps * random_size(taps > 1 ? 40 : 300), first = random_below(rows), count = rows - first;
  const matrix m = random_matrix(random_below(4), rows, k, taps, style);
  for (int t = 0; t < table_count; t++) {
    now(t, "pack rows %d..%d of %d of type %d, taps %d, %s", (int)first, (int)(rows - 1), (int)k, (int)m.w.type,
        (int)taps, style_names[style]);
    const int32_t nr = tables[t].nr;
    float *expected = floats(panel_floats(&tables[t], count, k), STYLES);
    for (int32_t n = 0; n < (count + nr - 1) / nr * nr; n++)
      for (int32_t i = 0; i < k; i++)
        expected[(n / nr * k + i) * nr + n % nr] = n < count ? m.dense[(first + n) * k + i] : 0;
    same_floats(expected, packed(&tables[t], &m, first, count), panel_floats(&tables[t], count, k));
  }
  release_arrays();
}

static void test_pack_columns(int style) {
  const int32_t columns = random_size(80), k = random_size(100), stride = columns + random_below(9);
  const float *b = floats((size_t)((k - 1) * stride + columns), style);
  for (int t = 0; t < table_count; t++) {
    now(t, "pack_columns %d of %d", (int)columns, (int)k);
    const int32_t nr = tables[t].nr;
    const size_t size = panel_floats(&tables[t], columns, k);
    float *expected = floats(size, STYLES), *panels = floats(size, STYLES);
    for (int32_t n = 0; n < (columns + nr - 1) / nr * nr; n++)
      for (int32_t i = 0; i < k; i++) expected[(n / nr * k + i) * nr + n % nr] = n < columns ? b[i * stride + n] : 0;
    tables[t].pack_columns(b, stride, k, columns, panels);
    same_floats(expected, panels, size);
  }
  release_arrays();
}

/* ---- Products ---- */

/* A product but for its panels, and where its rows begin and end. */
typedef struct product_case {
  dit__gemm p;
  int32_t rows, columns, k;
  int32_t in_place;
  float *before; /* out, and the residual if that is the same */
  size_t out_count;
} product_case;

/* Rows of a plain matrix, in lines with gaps. */
static size_t plain_rows(product_case *c) {
  dit__gemm *p = &c->p;
  c->rows = random_size(70);
  p->taps = 1;
  p->channels = random_size(600);
  p->line = random_below(2) ? c->rows : 1 + random_below(c->rows);
  p->row_stride = p->channels + random_below(5);
  p->line_stride = p->line * p->row_stride + random_below(50);
  return (size_t)((c->rows - 1) / p->line * p->line_stride + (c->rows - 1) % p->line * p->row_stride + p->channels);
}

/* Neighbourhoods of 3x3 of a picture with its border, stride 1 or 2. */
static size_t convolution_rows(product_case *c) {
  dit__gemm *p = &c->p;
  const int32_t stride = 1 + random_below(2), lines = 1 + random_below(5);
  p->line = 1 + random_below(20);
  p->taps = 9;
  p->channels = random_size(80);
  const int32_t width = (p->line - 1) * stride + 3, height = (lines - 1) * stride + 3;
  p->row_stride = stride * p->channels;
  p->line_stride = (ptrdiff_t)stride * width * p->channels;
  for (int32_t tap = 0; tap < 9; tap++) p->tap_offset[tap] = (tap / 3 * width + tap % 3) * p->channels;
  c->rows = lines * p->line;
  return (size_t)(width * height * p->channels);
}

/* What follows the sums. The panels, partial sums and out are each table's own. */
static void random_finish(product_case *c, int style) {
  dit__gemm *p = &c->p;
  p->epilogue = random_below(4);
  p->bias = floats((size_t)c->columns, random_below(3) ? PLAIN : ZEROS);
  p->out_stride = c->columns + random_below(5);
  c->out_count = (size_t)((c->rows - 1) * p->out_stride + c->columns);
  c->before = floats(c->out_count, style);
  c->in_place = random_below(2);
  p->residual_stride = c->in_place ? p->out_stride : c->columns + random_below(5);
  if (p->epilogue >= DIT__EPILOGUE_RESIDUAL)
    p->residual = c->in_place ? c->before : floats((size_t)((c->rows - 1) * p->residual_stride + c->columns), style);
  if (p->epilogue != DIT__EPILOGUE_GATED) return;
  const int32_t samples = 1 + random_below(3);
  p->first_row = random_below(50);
  p->rows_per_sample = 1 + random_below(c->rows + 10);
  p->gate_stride = c->columns + random_below(5);
  p->gate = floats((size_t)((samples - 1) * p->gate_stride + c->columns), style);
  const int32_t count = (p->first_row + c->rows - 1) / p->rows_per_sample + 1;
  int32_t *gate_rows = (int32_t *)array_new((size_t)count * sizeof(int32_t));
  for (int32_t i = 0; i < count; i++) gate_rows[i] = random_below(samples);
  p->gate_rows = gate_rows;
}

/* Columns first..first+count-1 of a case, into `out`. */
static dit__gemm part_of(const product_case *c, int32_t first, int32_t count, float *out) {
  dit__gemm p = c->p;
  p.columns = count;
  p.bias += first;
  p.out = out + first;
  if (p.residual) p.residual = c->in_place ? p.out : p.residual + first;
  if (p.gate) p.gate += first;
  return p;
}

/* docs/numerics.md, "Products", word by word; fmaf is the C library's. */
static float defined_finish(const product_case *c, int32_t m, int32_t n, float sum) {
  const dit__gemm *p = &c->p;
  const float v = sum + p->bias[n];
  if (p->epilogue == DIT__EPILOGUE_STORE) return v;
  if (p->epilogue == DIT__EPILOGUE_GELU) return scalar_v_gelu(v);
  const float x = p->residual[m * p->residual_stride + n];
  if (p->epilogue == DIT__EPILOGUE_RESIDUAL) return x + v;
  return fmaf(p->gate[p->gate_rows[(p->first_row + m) / p->rows_per_sample] * p->gate_stride + n], v, x);
}

static const float *row_start(const dit__gemm *p, int32_t m) {
  return p->a + m / p->line * p->line_stride + m % p->line * p->row_stride;
}

static float defined_sum(const dit__gemm *p, const float *w, int32_t m) {
  const int32_t k = p->taps * p->channels;
  float sum = 0;
  for (int32_t k0 = 0; k0 < k; k0 += 256) {
    float s = 0;
    for (int32_t i = k0; i < k && i < k0 + 256; i++)
      s = fmaf(row_start(p, m)[p->tap_offset[i / p->channels] + i % p->channels], w[i], s);
    sum = k0 ? sum + s : s;
  }
  return sum;
}

/* The sum in long double, and how far rounding may take a product of floats from it. */
static int sum_is_near(const dit__gemm *p, const float *w, int32_t m, float got) {
  const int32_t k = p->taps * p->channels;
  long double sum = 0, size = 0;
  for (int32_t i = 0; i < k; i++) {
    const long double term =
        (long double)row_start(p, m)[p->tap_offset[i / p->channels] + i % p->channels] * (long double)w[i];
    sum += term;
    size += fabsl(term);
  }
  const int32_t roundings = (k < 256 ? k : 256) + k / 256;
  return fabsl((long double)got - sum) <= 0x1p-24L * roundings * size + 0x1p-149L * roundings;
}

static void check_product(const product_case *c, const matrix *w, const float *out) {
  int equal = 1, near = 1;
  for (int32_t m = 0; m < c->rows; m += 1 + random_below(4))
    for (int32_t n = random_below(8); n < c->columns; n += 1 + random_below(16)) {
      const float sum = defined_sum(&c->p, w->dense + n * c->k, m), value = defined_finish(c, m, n, sum);
      equal &= to_bits(value) == to_bits(out[m * c->p.out_stride + n]);
      near &= sum_is_near(&c->p, w->dense + n * c->k, m, sum);
    }
  CHECK(equal, "%s: other bits than the definition", under_way);
  CHECK(near, "%s: far from the sum in long double", under_way);
}

static void run_product(const product_case *c, const matrix *w, int32_t split, const dit__kernels *k, float *out) {
  float *scratch = floats((size_t)dit__gemm_scratch(), STYLES);
  const int32_t keep = c->p.line == c->rows && random_below(3), cut = random_below(c->rows + 1);
  float *kept = keep ? floats((size_t)dit__packed_rows(c->rows, c->k), STYLES) : NULL;
  if (keep) { /* rows that are packed at once, in parts that come in any order, serve all columns */
    dit__gemm p = c->p;
    p.packed = kept;
    const int32_t parts = 1 + random_below(5);
    for (int32_t part = parts - 1; part >= 0; part--) k->pack_rows(&p, part, parts);
  }
  for (int32_t part = 0; part < 2; part++) {
    const int32_t first = part ? split : 0, count = part ? c->columns - split : split;
    if (!count) continue;
    dit__gemm p = part_of(c, first, count, out);
    p.packed = kept;
    if (random_below(2)) { /* what it brings nearer changes nothing */
      const dit__prefetch next = {(const uint8_t *)c->p.a, 4 * (1 + random_below(50)), 1 + random_below(300),
                                  1 + random_below(2)};
      p.next = next;
    }
    p.partial_rows = c->rows + random_below(3);
    p.partial = floats((size_t)((count + k->nr - 1) / k->nr * p.partial_rows * k->nr), STYLES);
    p.panels = packed(k, w, first, count);
    if (keep) {
      k->gemm(&p, 0, c->rows, scratch);
      continue;
    }
    k->gemm(&p, cut, c->rows - cut, scratch); /* the later rows first, as another task might */
    k->gemm(&p, 0, cut, scratch);
  }
}

static void test_product(int style, int convolution) {
  product_case c;
  memset(&c, 0, sizeof c);
  c.p.a = floats(convolution ? convolution_rows(&c) : plain_rows(&c), style);
  c.columns = random_size(100);
  c.k = c.p.taps * c.p.channels;
  random_finish(&c, style);
  const int32_t split = random_below(3) ? 0 : random_below(c.columns);
  const matrix w = random_matrix(random_below(4), c.columns, c.k, c.p.taps, style);
  float *out[MOST_TABLES] = {NULL};
  for (int t = 0; t < table_count; t++) {
    now(t, "product %d x %d x %d (%d taps), line %d, split %d, type %d, finish %d, %s", (int)c.rows, (int)c.columns,
        (int)c.k, (int)c.p.taps, (int)c.p.line, (int)split, (int)w.w.type, (int)c.p.epilogue, style_names[style]);
    out[t] = copy(c.before, c.out_count);
    run_product(&c, &w, split, &tables[t], out[t]);
    if (t == 0)
      check_product(&c, &w, out[0]);
    else
      same_floats(out[0], out[t], c.out_count);
  }
  release_arrays();
}

/* ---- Winograd ---- */

/* A convolution but for its tiles and panels. */
typedef struct winograd_case {
  dit__winograd w;
  matrix kernels; /* dense: [row][tap][channel] */
  int32_t columns, tiles, in_place;
  float *before;
  size_t out_count;
} winograd_case;

static winograd_case random_winograd(int style) {
  winograd_case c;
  memset(&c, 0, sizeof c);
  dit__winograd *w = &c.w;
  w->upsample = random_below(3) == 0;
  w->height = 1 + random_below(13);
  w->width = 1 + random_below(60);
  if (w->upsample) {
    w->height += w->height % 2;
    w->width += w->width % 2;
  }
  w->channels = random_size(random_below(3) ? 60 : 300);
  c.columns = random_size(100);
  c.tiles = (w->height + 3) / 4 * ((w->width + 3) / 4);
  w->x = floats((size_t)(w->height * w->width * w->channels) / (w->upsample ? 4 : 1), style);
  if (random_below(2)) {
    w->scale = floats((size_t)w->channels, PLAIN);
    w->shift = floats((size_t)w->channels, PLAIN);
  }
  w->bias = floats((size_t)c.columns, random_below(3) ? PLAIN : ZEROS);
  w->out_stride = c.columns + random_below(5);
  c.out_count = (size_t)((w->height * w->width - 1) * w->out_stride + c.columns);
  c.before = floats(c.out_count, style);
  c.in_place = random_below(2);
  if (c.in_place || random_below(2)) w->residual = c.before;
  c.kernels = random_matrix(random_below(3), c.columns, 9 * w->channels, 9, PLAIN);
  return c;
}

/* Columns column..column+columns-1: tiles in two chunks, each in two parts. */
static void run_winograd(const winograd_case *c, int32_t column, int32_t columns, const dit__kernels *k, float *out) {
  const int32_t cut = random_below((c->tiles + 11) / 12) * 12;
  dit__winograd w = c->w;
  if (!columns) return;
  const size_t panels = (size_t)dit__winograd_panel(w.channels, k->nr) * (size_t)((columns + k->nr - 1) / k->nr);
  float *to = floats(panels, STYLES);
  k->winograd_filter(&c->kernels.w, column, columns, to);
  w.panels = to;
  w.columns = columns;
  w.bias += column;
  w.out = out + column;
  if (w.residual) w.residual = c->in_place ? w.out : w.residual + column;
  for (int part = 0; part < 2; part++) {
    const int32_t first = part ? cut : 0, count = part ? c->tiles - cut : cut, half = count / 24 * 12;
    if (!count) continue;
    w.first = first;
    w.point_stride = (ptrdiff_t)dit__winograd_point(count, w.channels);
    w.tiles = floats((size_t)(36 * w.point_stride), STYLES);
    float *scratch = floats((size_t)dit__winograd_scratch(count, columns), STYLES);
    k->winograd_input(&w, half, count - half);
    if (half) k->winograd_input(&w, 0, half);
    k->winograd_output(&w, half, count - half, scratch);
    if (half) k->winograd_output(&w, 0, half, scratch);
  }
}

static float winograd_pixel(const winograd_case *c, int32_t y, int32_t x, int32_t channel) {
  const dit__winograd *w = &c->w;
  const int32_t shift = w->upsample;
  if (y < 0 || x < 0 || y >= w->height || x >= w->width) return 0;
  const float value = w->x[((y >> shift) * (w->width >> shift) + (x >> shift)) * w->channels + channel];
  return w->scale ? scalar_v_silu(fmaf(value, w->scale[channel], w->shift[channel])) : value;
}

/* docs/numerics.md, "Winograd", word by word. */
static void defined_kernel(const double *w, double *to) {
  const double e = w[0] + w[2] * 0.390625, o = w[1] * 0.625, f = w[0] + w[2] * 2.25, p = w[1] * 1.5;
  const double all[6] = {w[0] * (256.0 / 225),     (e + o) * (-2048.0 / 2975), (e - o) * (-2048.0 / 2975),
                         (f + p) * (128.0 / 1071), (f - p) * (128.0 / 1071),   w[2]};
  memcpy(to, all, sizeof all);
}

static void defined_picture(const float *d, float *to) {
  const float e = fmaf(-2.25f, d[2], d[4]), o = fmaf(-2.25f, d[1], d[3]);
  const float f = fmaf(-0.390625f, d[2], d[4]), p = fmaf(-0.390625f, d[1], d[3]);
  to[0] = fmaf(0.87890625f, d[0], fmaf(-2.640625f, d[2], d[4]));
  to[1] = fmaf(0.625f, o, e);
  to[2] = fmaf(-0.625f, o, e);
  to[3] = fmaf(1.5f, p, f);
  to[4] = fmaf(-1.5f, p, f);
  to[5] = fmaf(0.87890625f, d[1], fmaf(-2.640625f, d[3], d[5]));
}

static void defined_pixels(const float *m, float *to) {
  const float p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
  to[0] = m[0] + (p + r);
  to[1] = fmaf(1.5f, s, 0.625f * q);
  to[2] = fmaf(2.25f, r, 0.390625f * p);
  to[3] = fmaf(3.375f, s, fmaf(0.244140625f, q, m[5]));
}

/* The 4x4 sums of a tile whose first pixel is (y, x), for column n. */
static void defined_winograd(const winograd_case *c, int32_t y, int32_t x, int32_t n, float tile[4][4]) {
  float block[36] = {0}, sum[36] = {0}, line[6], from[6], four[4], down[4][6];
  for (int32_t i = 0; i < c->w.channels; i++) {
    double kernel[6], three[3], rows[6][3];
    float points[6][6], columns[6][6];
    for (int j = 0; j < 3; j++) {
      for (int t = 0; t < 3; t++) three[t] = c->kernels.dense[(n * 9 + t * 3 + j) * c->w.channels + i];
      defined_kernel(three, kernel);
      for (int t = 0; t < 6; t++) rows[t][j] = kernel[t];
    }
    for (int j = 0; j < 6; j++) {
      for (int t = 0; t < 6; t++) from[t] = winograd_pixel(c, y - 1 + t, x - 1 + j, i);
      defined_picture(from, line);
      for (int t = 0; t < 6; t++) columns[t][j] = line[t];
    }
    for (int t = 0; t < 6; t++) {
      defined_picture(columns[t], points[t]);
      defined_kernel(rows[t], kernel);
      for (int j = 0; j < 6; j++) block[t * 6 + j] = fmaf(points[t][j], (float)kernel[j], block[t * 6 + j]);
    }
    if (i % 256 != 255 && i + 1 < c->w.channels) continue;
    for (int p = 0; p < 36; p++) {
      sum[p] = i < 256 ? block[p] : sum[p] + block[p];
      block[p] = 0;
    }
  }
  for (int j = 0; j < 6; j++) {
    for (int t = 0; t < 6; t++) from[t] = sum[t * 6 + j];
    defined_pixels(from, four);
    for (int t = 0; t < 4; t++) down[t][j] = four[t];
  }
  for (int t = 0; t < 4; t++) defined_pixels(down[t], tile[t]);
}

/* The neighbourhood of a pixel in long double, and the size of its terms. */
static long double direct_sum(const winograd_case *c, int32_t y, int32_t x, int32_t n, long double *size) {
  long double sum = 0;
  for (int tap = 0; tap < 9; tap++)
    for (int32_t i = 0; i < c->w.channels; i++) {
      const long double term = (long double)winograd_pixel(c, y - 1 + tap / 3, x - 1 + tap % 3, i) *
                               (long double)c->kernels.dense[(n * 9 + tap) * c->w.channels + i];
      sum += term;
      *size += fabsl(term);
    }
  return sum;
}

static void check_winograd(const winograd_case *c, int style, const float *out) {
  const dit__winograd *w = &c->w;
  int equal = 1, near = 1;
  for (int i = 0; i < 4; i++) {
    const int32_t y = random_below((w->height + 3) / 4) * 4, x = random_below((w->width + 3) / 4) * 4;
    const int32_t n = random_below(c->columns);
    float tile[4][4];
    defined_winograd(c, y, x, n, tile);
    for (int32_t p = 0; p < 16; p++) {
      const int32_t row = y + p / 4, column = x + p % 4;
      if (row >= w->height || column >= w->width) continue;
      const ptrdiff_t at = (ptrdiff_t)(row * w->width + column) * w->out_stride + n;
      float value = tile[p / 4][p % 4] + w->bias[n];
      if (w->residual) value = c->before[at] + value;
      equal &= to_bits(value) == to_bits(out[at]);
      long double size = 0;
      const long double sum = direct_sum(c, row, column, n, &size);
      if (style != WIDE && style != TINY) /* there the rounding of a large neighbour counts */
        near &= fabsl(tile[p / 4][p % 4] - sum) <= 4e-5L * (size + 1);
    }
  }
  CHECK(equal, "%s: other bits than the definition", under_way);
  CHECK(near, "%s: far from the sum in long double", under_way);
}

static void test_winograd(int style) {
  const winograd_case c = random_winograd(style);
  const int32_t split = random_below(3) ? 0 : random_below(c.columns);
  float *out[MOST_TABLES] = {NULL};
  for (int t = 0; t < table_count; t++) {
    now(t, "winograd %d x %d x %d to %d, upsample %d, norm %d, split %d, type %d, %s", (int)c.w.height, (int)c.w.width,
        (int)c.w.channels, (int)c.columns, (int)c.w.upsample, c.w.scale != NULL, (int)split, (int)c.kernels.w.type,
        style_names[style]);
    out[t] = copy(c.before, c.out_count);
    run_winograd(&c, 0, split, &tables[t], out[t]);
    run_winograd(&c, split, c.columns - split, &tables[t], out[t]);
    if (t == 0)
      check_winograd(&c, style, out[0]);
    else
      same_floats(out[0], out[t], c.out_count);
  }
  release_arrays();
}

/* ---- Products in int8 ---- */

/* docs/numerics.md, "Products in int8", with sums in 64 bits. */
static float defined_i8(const dit__qgemm *p, const matrix *w, int32_t m, int32_t n) {
  const int8_t *row = (const int8_t *)w->w.data + n * w->w.stride;
  int64_t dot = 0, total = 0;
  for (int32_t i = 0; i < w->w.k; i++) {
    dot += (int64_t)p->a[m * p->a_stride + i] * row[i];
    total += row[i];
  }
  const float first = (float)dot * p->row_scale[m], second = (float)total * p->row_low[m];
  return (first + second) * w->w.scale[n];
}

/* Rows of whole numbers 0..most, zeros behind k. */
static uint8_t *quantised_rows(int32_t rows, int32_t k, ptrdiff_t stride, int32_t least) {
  uint8_t *a = (uint8_t *)array_new((size_t)rows * (size_t)stride);
  for (int32_t m = 0; m < rows; m++)
    for (int32_t i = 0; i < stride; i++) a[m * stride + i] = i < k ? (uint8_t)(least + random_below(128 - least)) : 0;
  return a;
}

/* Every factor 1, every summand 0: out is the sum of whole numbers, rounded once. */
static void only_sums(product_case *c, dit__qgemm *p, matrix *w) {
  float *zeros = floats((size_t)(c->rows + c->columns), ZEROS), *ones = floats((size_t)(c->rows + c->columns), FLAT);
  for (int32_t i = 0; i < c->rows + c->columns; i++) {
    zeros[i] = 0;
    ones[i] = 1;
  }
  c->p.epilogue = DIT__EPILOGUE_STORE;
  c->p.bias = p->row_low = zeros;
  p->row_scale = w->w.scale = ones;
}

/* extreme 0: any numbers; 1: everything as large as it can be, which saturates pairs of signed 16 bits if anything
 * does; 2: the same with both signs. */
static void test_product_i8(int style, int extreme) {
  product_case c;
  memset(&c, 0, sizeof c);
  c.rows = extreme ? 5 : random_size(40);
  c.columns = extreme ? 21 : random_size(80);
  c.k = extreme ? 4608 : random_size(700);
  random_finish(&c, style);
  matrix w = random_matrix(DIT__I8, c.columns, c.k, 1, PLAIN);
  for (int32_t n = 0; n < c.columns && extreme; n++)
    for (int32_t i = 0; i < c.k; i++)
      ((uint8_t *)(uintptr_t)w.w.data)[n * w.w.stride + i] = (uint8_t)(extreme == 1 || (n + i) & 2 ? 127 : -127);
  dit__qgemm p;
  memset(&p, 0, sizeof p);
  p.groups = (c.k + 3) / 4;
  p.a_stride = 4 * p.groups + 4 * random_below(3);
  p.a = quantised_rows(c.rows, c.k, p.a_stride, extreme ? 127 : 0);
  p.row_scale = floats((size_t)c.rows, PLAIN);
  p.row_low = floats((size_t)c.rows, PLAIN);
  if (extreme) only_sums(&c, &p, &w);
  const int32_t split = extreme ? 0 : random_below(c.columns), rows = random_below(c.rows + 1);
  for (int t = 0; t < table_count; t++) {
    const dit__kernels *k = &tables[t];
    now(t, "int8 product %d x %d x %d, split %d, finish %d, %s", (int)c.rows, (int)c.columns, (int)c.k, (int)split,
        (int)c.p.epilogue, style_names[style]);
    float *out = copy(c.before, c.out_count);
    for (int32_t part = 0; part < 2; part++) {
      const int32_t first = part ? split : 0, count = part ? c.columns - split : split;
      if (!count) continue;
      const size_t panels = (size_t)((count + k->i8.nr - 1) / k->i8.nr);
      uint8_t *to = (uint8_t *)array_new(panels * (size_t)k->i8.nr * ((size_t)p.groups + 1) * 4);
      k->i8.pack(&w.w, first, count, to);
      p.panels = to;
      p.weight_scale = w.w.scale + first;
      p.to = part_of(&c, first, count, out);
      k->i8.gemm(&p, 0, rows);
      k->i8.gemm(&p, rows, c.rows - rows);
    }
    float *expected = copy(c.before, c.out_count);
    for (int32_t m = 0; m < c.rows; m++)
      for (int32_t n = 0; n < c.columns; n++)
        expected[m * c.p.out_stride + n] = defined_finish(&c, m, n, defined_i8(&p, &w, m, n));
    same_floats(expected, out, c.out_count);
  }
  release_arrays();
}

/* bfloat16: what is rounded to it and multiplied is within a hair of the sum in double; its order is the processor's.
 */
static float to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits += 0x7fff + (bits >> 16 & 1);
  bits &= 0xffff0000;
  memcpy(&x, &bits, 4);
  return x;
}

static void test_product_bf16(const dit__kernels *k) {
  product_case c;
  memset(&c, 0, sizeof c);
  c.rows = random_size(40);
  c.columns = random_size(80);
  c.k = random_size(700);
  random_finish(&c, PLAIN);
  c.p.epilogue = DIT__EPILOGUE_STORE;
  const matrix w = random_matrix(random_below(4), c.columns, c.k, 1, PLAIN);
  const int32_t groups = (c.k + 1) / 2;
  const float *x = floats((size_t)c.rows * (size_t)c.k, PLAIN);
  uint8_t *a = (uint8_t *)array_new((size_t)c.rows * (size_t)groups * 4);
  const size_t panels = (size_t)((c.columns + k->bf16.nr - 1) / k->bf16.nr);
  uint8_t *to = (uint8_t *)array_new(panels * (size_t)k->bf16.nr * ((size_t)groups + 1) * 4);
  snprintf(under_way, sizeof under_way, "bf16 product %d x %d x %d of type %d", (int)c.rows, (int)c.columns, (int)c.k,
           (int)w.w.type);
  k->bf16.quantize(x, c.k, c.rows, c.k, a, 4 * (ptrdiff_t)groups, NULL, NULL);
  k->bf16.pack(&w.w, 0, c.columns, to);
  float *out = copy(c.before, c.out_count);
  dit__qgemm p;
  memset(&p, 0, sizeof p);
  p.a = a;
  p.a_stride = 4 * (ptrdiff_t)groups;
  p.groups = groups;
  p.panels = to;
  p.to = part_of(&c, 0, c.columns, out);
  k->bf16.gemm(&p, 0, c.rows);
  double worst = 0;
  for (int32_t m = 0; m < c.rows; m++)
    for (int32_t n = 0; n < c.columns; n++) {
      double sum = c.p.bias[n], size = fabs(sum);
      for (int32_t i = 0; i < c.k; i++) {
        const float scale = w.w.scale ? w.w.scale[n] : 0;
        const double term = (double)to_bf16(x[m * c.k + i]) *
                            (double)to_bf16(f32_load(w.w.type, w.w.data, n * w.w.stride + i, scale));
        sum += term;
        size += fabs(term);
      }
      const double error = fabs(sum - out[m * c.p.out_stride + n]) / (size + 1e-30);
      worst = error > worst ? error : worst;
    }
  CHECK(worst < 2e-6, "%s: %.2g of the sum of sizes", under_way, worst);
  release_arrays();
}

/* Random rows, quantised by each table: the same bytes, and within half a step of the truth. */
static void test_quantize(int style) {
  const int32_t rows = 1 + random_below(6), width = random_size(400), x_stride = width + random_below(5);
  const int32_t q_stride = (width + 3) / 4 * 4;
  const float *x = floats((size_t)((rows - 1) * x_stride + width), style);
  uint8_t *q[MOST_TABLES] = {NULL};
  float *scale[MOST_TABLES] = {NULL}, *low[MOST_TABLES] = {NULL};
  for (int t = 0; t < table_count; t++) {
    now(t, "quantize %d x %d, %s", (int)rows, (int)width, style_names[style]);
    q[t] = (uint8_t *)array_new((size_t)(rows * q_stride));
    scale[t] = floats((size_t)rows, STYLES);
    low[t] = floats((size_t)rows, STYLES);
    tables[t].i8.quantize(x, x_stride, rows, width, q[t], q_stride, scale[t], low[t]);
    for (int32_t r = 0; r < rows; r++) low[t][r] += 0.0f; /* either zero will do */
    same_bytes(q[0], q[t], (size_t)(rows * q_stride));
    same_floats(scale[0], scale[t], (size_t)rows);
    same_floats(low[0], low[t], (size_t)rows);
  }
  int whole = 1, near = 1;
  for (int32_t r = 0; r < rows; r++)
    for (int32_t i = 0; i < q_stride; i++) {
      const int32_t value = q[0][r * q_stride + i];
      whole &= i < width ? value <= 127 : value == 0;
      if (i >= width) continue;
      const double step = scale[0][r], error = fabs(x[r * x_stride + i] - (low[0][r] + step * value));
      near &= error <= (step > 0x1p-126 ? step * 0.5001 : 0x1p-119); /* 127 / (high - low) may be infinite */
    }
  CHECK(whole, "%s: not 0..127, or not 0 behind the row", under_way);
  CHECK(near, "%s: more than half a step from the truth", under_way);
  release_arrays();
}

/* ---- Attention ---- */

/* The case's softmax in double; the largest difference to `got`. */
static double attention_error(const dit__attention *a, const float *keys, ptrdiff_t key_stride, const float *values,
                              ptrdiff_t value_stride, int32_t query, const float *got, double *weight) {
  double top = -1e300, total = 0, error = 0;
  for (int32_t j = 0; j < a->tokens; j++) {
    weight[j] = 0;
    for (int32_t d = 0; d < a->dim; d++) weight[j] += (double)a->q[query * a->q_stride + d] * keys[j * key_stride + d];
    weight[j] *= a->scale;
    top = weight[j] > top ? weight[j] : top;
  }
  for (int32_t j = 0; j < a->tokens; j++) total += weight[j] = exp(weight[j] - top);
  for (int32_t d = 0; d < a->dim; d++) {
    double sum = 0;
    for (int32_t j = 0; j < a->tokens; j++) sum += weight[j] * values[j * value_stride + d];
    error = fmax(error, fabs(sum / total - got[query * a->out_stride + d]));
  }
  return error;
}

static worst attention_worst; /* relative to the largest value */

static void test_attention(int style) {
  dit__attention a;
  memset(&a, 0, sizeof a);
  a.tokens = random_size(random_below(2) ? 100 : 600);
  a.dim = random_below(12) ? random_size(90) : random_size(560);
  if (a.dim > 90) a.tokens = random_size(300);
  a.scale = (float)(1 / sqrt((double)a.dim));
  a.q_stride = a.dim + random_below(9);
  a.out_stride = a.dim + random_below(9);
  const int32_t value_stride = a.dim + random_below(9), most = random_size(60);
  const int32_t first = random_below(a.tokens), left = a.tokens - first, count = left < most ? left : most;
  const matrix keys = random_matrix(DIT__F32, a.tokens, a.dim, 1, style);
  const float *values = floats((size_t)((a.tokens - 1) * value_stride + a.dim), style);
  const size_t out_count = (size_t)((a.tokens - 1) * a.out_stride + a.dim);
  float *before = floats(out_count, PLAIN), *expected = NULL;
  a.q = floats((size_t)((a.tokens - 1) * a.q_stride + a.dim), style);
  for (int t = 0; t < table_count; t++) {
    const dit__kernels *k = &tables[t];
    now(t, "attention of %d tokens, %d channels, queries %d..%d, %s", (int)a.tokens, (int)a.dim, (int)first,
        (int)(first + count - 1), style_names[style]);
    float *panels = floats(panel_floats(k, a.dim, a.tokens), STYLES);
    k->pack_columns(values, value_stride, a.tokens, a.dim, panels);
    a.values = panels;
    a.keys = packed(k, &keys, 0, a.tokens);
    a.out = copy(before, out_count);
    k->attention(&a, first, count, floats((size_t)dit__attention_scratch(a.dim), STYLES));
    if (t == 0)
      expected = a.out;
    else
      same_floats(expected, a.out, out_count);
  }
  double *weight = (double *)array_new((size_t)a.tokens * sizeof(double)), error = 0;
  for (int32_t i = first; i < first + count && style == PLAIN; i += 5)
    error = fmax(error, attention_error(&a, keys.dense, a.dim, values, value_stride, i, expected, weight));
  keep_worst(&attention_worst, error / 2, a.tokens); /* plain numbers reach 2 */
  release_arrays();
}

/* ---- Rows ---- */

static worst norm_worst; /* relative to the largest of 1 + scale, shift and the result */

static void norm_error(const float *x, int32_t width, const float *shift, const float *scale, const float *got) {
  double mean = 0, variance = 0;
  for (int32_t i = 0; i < width; i++) mean += x[i];
  mean /= width;
  for (int32_t i = 0; i < width; i++) variance += (x[i] - mean) * (x[i] - mean);
  const double factor = 1 / sqrt(variance / width + 1e-6);
  if (factor > 2) return; /* of a row that is nearly constant, rounding is what is left */
  for (int32_t i = 0; i < width; i++) {
    const double y = (x[i] - mean) * factor, truth = y * (1.0 + scale[i]) + shift[i];
    keep_worst(&norm_worst, fabs(got[i] - truth) / (1 + fabs(1.0 + scale[i]) + fabs(shift[i]) + fabs(truth)), width);
  }
}

static void test_norm_modulate(int style) {
  const int32_t rows = 1 + random_below(5), width = random_below(4) ? random_size(150) : random_size(1300);
  const int32_t x_stride = width + random_below(5), out_stride = width + random_below(5);
  const float *x = floats((size_t)((rows - 1) * x_stride + width), style);
  const float *shift = floats((size_t)width, style), *scale = floats((size_t)width, style);
  const size_t count = (size_t)((rows - 1) * out_stride + width);
  float *before = floats(count, PLAIN), *expected = copy(before, count);
  now(0, "norm_modulate");
  tables[0].norm_modulate(x, x_stride, rows, width, 1e-6f, shift, scale, expected, out_stride);
  for (int t = 1; t < table_count; t++) {
    now(t, "norm_modulate %d x %d, %s", (int)rows, (int)width, style_names[style]);
    float *out = copy(before, count);
    tables[t].norm_modulate(x, x_stride, rows, width, 1e-6f, shift, scale, out, out_stride);
    same_floats(expected, out, count);
  }
  for (int32_t r = 0; r < rows && style == PLAIN; r++)
    norm_error(x + r * x_stride, width, shift, scale, expected + r * out_stride);
  release_arrays();
}

static void test_affine(int style) {
  const int32_t pixels = 1 + random_below(12), channels = random_size(100), silu = random_below(2);
  const int32_t step = random_below(3) ? channels + random_below(9) : 0;
  const float *x = floats((size_t)((pixels - 1) * step + channels), style);
  const float *scale = floats((size_t)channels, PLAIN), *shift = floats((size_t)channels, style);
  const size_t count = (size_t)(pixels * channels);
  float *expected = floats(count, STYLES);
  for (int32_t i = 0; i < pixels * channels; i++) {
    const int32_t c = i % channels;
    const float y = fmaf(x[i / channels * step + c], scale[c], shift[c]);
    expected[i] = silu ? scalar_v_silu(y) : y;
  }
  for (int t = 0; t < table_count; t++) {
    now(t, "affine %d x %d, silu %d, %s", (int)pixels, (int)channels, (int)silu, style_names[style]);
    float *out = floats(count, STYLES);
    tables[t].affine(x, step, pixels, channels, scale, shift, silu, out);
    same_floats(expected, out, count);
  }
  release_arrays();
}

static void test_channel_sums(int style) {
  const int32_t pixels = 1 + random_below(40), channels = random_size(100);
  const float *x = floats((size_t)(pixels * channels), style);
  double *expected = (double *)array_new((size_t)channels * 2 * sizeof(double));
  for (int32_t c = 0; c < channels; c++) {
    expected[c] = expected[channels + c] = 0;
    for (int32_t p = 0; p < pixels; p++) {
      const double value = x[p * channels + c];
      expected[c] += value;
      expected[channels + c] += value * value;
    }
  }
  for (int t = 0; t < table_count; t++) {
    now(t, "channel_sums %d x %d, %s", (int)pixels, (int)channels, style_names[style]);
    double *sum = (double *)array_new((size_t)channels * sizeof(double));
    double *squares = (double *)array_new((size_t)channels * sizeof(double));
    tables[t].channel_sums(x, pixels, channels, sum, squares);
    same_bytes(expected, sum, (size_t)channels * sizeof(double));
    same_bytes(expected + channels, squares, (size_t)channels * sizeof(double));
  }
  release_arrays();
}

/* ---- All of it ---- */

static void find_tables(void) {
  static const struct {
    int32_t isa, arm;
    const char *name;
  } levels[] = {{DIT_ISA_AVX2, 0, "AVX2"},      {DIT_ISA_AVX_VNNI, 0, "AVX-VNNI"},
                {DIT_ISA_AVX512, 0, "AVX-512"}, {DIT_ISA_AVX512_VNNI, 0, "AVX-512 VNNI"},
                {DIT_ISA_NEON, 1, "NEON"},      {DIT_ISA_NEON_DOT, 1, "NEON dot products"}};
  scalar_without_fma(&tables[0]);
  CHECK(dit__kernels_get(DIT_ISA_SCALAR, &tables[1]), "the scalar table is always there");
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
    char reason[60];
    if (levels[i].arm != ON_ARM) continue;
    table_names[table_count] = levels[i].name;
    snprintf(reason, sizeof reason, "%s: not in this processor or build", levels[i].name);
    if (dit__kernels_get(levels[i].isa, &tables[table_count]))
      table_count++;
    else
      SKIP(reason);
  }
}

static void test_round(int style) {
  for (int t = 1; t < table_count; t++)
    if (tables[t].bf16.nr) test_product_bf16(&tables[t]);
  test_convert(style);
  test_pack(style);
  test_pack_columns(style);
  test_product(style, 0);
  test_product(style, 1);
  test_winograd(style);
  test_product_i8(style, 0);
  test_quantize(style);
  test_attention(style);
  test_norm_modulate(style);
  test_silu(style);
  test_affine(style);
  test_channel_sums(style);
}

static void test_numbers(int large) {
  test_fma(large ? 1000000000 : 16000000);
  test_exp(large ? 100000000 : 2000000);
  test_activations(large ? 4000000 : 400000);
  test_convert_all(DIT__F16);
  test_convert_all(DIT__BF16);
  test_product_i8(PLAIN, 1);
  test_product_i8(PLAIN, 2);
}

static void test_rounds(int rounds) {
  for (int round = 0; round < rounds; round++)
    for (int style = 0; style < STYLES; style++) test_round(style);
  printf("  attention   largest error %.3g of the largest value\n", attention_worst.error);
  printf("  layer norm  largest relative error %.3g\n", norm_worst.error);
  CHECK(attention_worst.error < 1e-6, "attention: error %g with %g tokens", attention_worst.error, attention_worst.at);
  CHECK(norm_worst.error < 1e-6, "layer norm: error %g at width %g", norm_worst.error, norm_worst.at);
}

/* test_kernels [--long] [--seed N] [--part numbers|rounds]: with a part only that half, so that two can run side by side
 * where it takes minutes. */
int main(int argc, char **argv) {
  int large = 0;
  const char *part = "";
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--long")) large = 1;
    if (!strcmp(argv[i], "--seed") && i + 1 < argc) state = strtoull(argv[++i], NULL, 10);
    if (!strcmp(argv[i], "--part") && i + 1 < argc) part = argv[++i];
  }
  signal(SIGSEGV, touched_a_guard);
  signal(SIGBUS, touched_a_guard);
  find_tables();
  if (strcmp(part, "rounds")) test_numbers(large);
  if (strcmp(part, "numbers")) test_rounds(large ? 800 : 40);
  return test_end("test_kernels");
}
