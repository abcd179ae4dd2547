/* What the tests of kernels share: the tables of all instruction sets, random numbers, arrays between guards, and
 * stored types.
 *
 * Each of these tests compares every kernel of every instruction set, bit for bit, with the reference: plain C without
 * fma instructions (kernels_reference.c). The reference in turn is compared with definitions in double, long double and
 * integers. A test also fails if a kernel reads or writes beyond what it was given: every array ends or begins at
 * memory that cannot be touched.
 *
 *   --seed N   other random numbers      --long   twenty times as many cases
 *
 * Timing of the same kernels is in tests/bench. Include this first. */
#ifndef DIT_TEST_KERNELS_H
#define DIT_TEST_KERNELS_H

#define _DEFAULT_SOURCE /* mmap's MAP_ANONYMOUS */
#include "lib/core/numerics.h"

#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/kernels/kernels.h"
#include "tests/test.h"

void reference_kernels(dit__kernels *table);
float reference_fma(float a, float b, float c);
float reference_exp(float x);
float reference_silu(float x);
float reference_gelu(float x);

enum { MAX_TABLES = 6, MAX_ARRAYS = 128 };
static dit__kernels tables[MAX_TABLES]; /* the first is the reference */
static const char *table_names[MAX_TABLES] = {"plain C without fma", "scalar"};
static int table_count = 2;

/* ---- Random numbers ---- */

static uint64_t state = 1;

static inline uint32_t random_word(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 32);
}

static inline int32_t random_below(int32_t limit) {
  return (int32_t)(((uint64_t)random_word() * (uint32_t)limit) >> 32);
}

/* Returns 1..limit: any number, small ones, and multiples of 16 with their neighbours. */
static inline int32_t random_size(int32_t limit) {
  int32_t size = random_below(limit) + 1;
  const int32_t kind = random_below(4);
  if (kind == 0) size = random_below(20) + 1;
  if (kind > 1) size = (size + 15) / 16 * 16 + random_below(3) - 1;
  return size > limit ? limit : size;
}

enum { PLAIN, WIDE, TINY, FLAT, ZEROS, STEEP, STYLES };
static const char *style_names[STYLES] = {"plain", "wide", "subnormal", "constant", "zeros", "steep"};

static inline float random_number(int style) {
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

/* A page that cannot be touched lies before and behind an array; what it leaves of its own pages is checked. */
typedef struct array {
  uint8_t *map, *at;
  size_t inside, size;
} array;

enum { UNTOUCHED = 0x5a };
static array arrays[MAX_ARRAYS];
static int array_count;
static char under_way[200]; /* what is being computed */

/* Mappings that wait for the next array, by the number of pages inside: making one takes longer than most cases. */
enum { MAX_SPARE_PAGES = 64, MAX_SPARES = 16 };
static uint8_t *spare_maps[MAX_SPARE_PAGES + 1][MAX_SPARES];
static int spare_counts[MAX_SPARE_PAGES + 1];

/* Returns memory of `inside` bytes, a multiple of the page, between two pages that cannot be touched; or NULL. */
static inline uint8_t *map_new(size_t inside, size_t page) {
  if (inside <= MAX_SPARE_PAGES * page && spare_counts[inside / page] > 0)
    return spare_maps[inside / page][--spare_counts[inside / page]];
  uint8_t *map = (uint8_t *)mmap(NULL, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return map == MAP_FAILED || mprotect(map + page, inside, PROT_READ | PROT_WRITE) != 0 ? NULL : map;
}

static inline void map_free(uint8_t *map, size_t inside, size_t page) {
  if (inside <= MAX_SPARE_PAGES * page && spare_counts[inside / page] < MAX_SPARES)
    spare_maps[inside / page][spare_counts[inside / page]++] = map;
  else
    munmap(map, inside + 2 * page);
}

static inline void *array_new(size_t size) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  array *a = &arrays[array_count++];
  a->size = size;
  a->inside = (size / page + 1) * page;
  a->map = map_new(a->inside, page);
  if (array_count == MAX_ARRAYS || !a->map) {
    printf("  FAILED: no room for an array of %zu bytes\n", size);
    exit(1);
  }
  memset(a->map + page, UNTOUCHED, a->inside);
  a->at = a->map + page + (random_below(4) ? a->inside - size : 0);
  return a->at;
}

/* Returns numbers of a style, or NaN for STYLES, which shows if it is read before it is written. */
static inline float *floats(size_t count, int style) {
  float *x = (float *)array_new(count * sizeof(float));
  if (style == STYLES)
    memset(x, 0xff, count * sizeof(float));
  else
    for (size_t i = 0; i < count; i++) x[i] = random_number(style);
  return x;
}

static inline float *copy(const float *from, size_t count) {
  float *x = (float *)array_new(count * sizeof(float));
  memcpy(x, from, count * sizeof(float));
  return x;
}

/* Ends a case: checks what lies around its arrays, and frees them. */
static inline void release_arrays(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  int intact = 1;
  for (int i = 0; i < array_count; i++) {
    const array *a = &arrays[i];
    for (const uint8_t *p = a->map + page; p < a->at; p++) intact &= *p == UNTOUCHED;
    for (const uint8_t *p = a->at + a->size; p < a->map + page + a->inside; p++) intact &= *p == UNTOUCHED;
    map_free(a->map, a->inside, page);
  }
  array_count = 0;
  CHECK(intact, "%s: written beyond an array", under_way);
}

static inline void touched_a_guard(int signal_number) {
  (void)signal_number;
  static const char text[] = "  FAILED: beyond an array: ";
  if (write(1, text, sizeof text - 1) > 0 && write(1, under_way, strlen(under_way)) > 0 && write(1, "\n", 1) > 0)
    _exit(1);
  _exit(1);
}

/* Notes what table t computes next, for messages. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static inline void
now(int t, const char *format, ...) {
  va_list arguments;
  const int said = snprintf(under_way, sizeof under_way, "%s, ", table_names[t]);
  va_start(arguments, format);
  vsnprintf(under_way + said, sizeof under_way - (size_t)said, format, arguments);
  va_end(arguments);
}

static inline int same_floats(const float *expected, const float *got, size_t count) {
  size_t at = 0;
  if (!memcmp(expected, got, count * sizeof(float))) return CHECK(1, "same");
  while (!memcmp(&expected[at], &got[at], sizeof(float))) at++;
  return CHECK(0, "%s: number %zu of %zu is %a, not %a", under_way, at, count, (double)got[at], (double)expected[at]);
}

static inline int same_bytes(const void *expected, const void *got, size_t count) {
  size_t at = 0;
  while (at < count && ((const uint8_t *)expected)[at] == ((const uint8_t *)got)[at]) at++;
  return CHECK(at == count, "%s: byte %zu of %zu differs", under_way, at, count);
}

typedef struct worst {
  double error, at;
} worst;

static inline void keep_worst(worst *kept, double error, double at) {
  if (error <= kept->error || kept->error != kept->error) return; /* a NaN stays */
  kept->error = error;
  kept->at = at;
}

/* ---- Stored types ---- */

static inline float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static inline uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

/* Returns what the 16 bits of half precision mean (IEEE 754, 3.4). */
static inline float half_value(uint32_t half) {
  const int32_t exponent = half >> 10 & 31, fraction = half & 1023;
  const float size = exponent ? ldexpf((float)(1024 + fraction), exponent - 25) : ldexpf((float)fraction, -24);
  if (exponent == 31) return fraction ? NAN : half >> 15 ? -INFINITY : INFINITY;
  return half >> 15 ? -size : size;
}

static inline size_t type_size(int32_t type) { return type == DIT__F32 ? 4 : type == DIT__I8 ? 1 : 2; }

static inline float stored_value(int32_t type, const uint8_t *x, size_t i, float scale) {
  const uint8_t *at = x + i * type_size(type);
  if (type == DIT__I8) return (float)(int8_t)*at * scale;
  if (type == DIT__F16) return half_value((uint32_t)at[0] | (uint32_t)at[1] << 8);
  if (type == DIT__BF16) return from_bits((uint32_t)at[0] << 16 | (uint32_t)at[1] << 24);
  return from_bits((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

/* Returns numbers of a type, sometimes at odd addresses; f16 without infinities. */
static inline uint8_t *stored(int32_t type, size_t count, int style) {
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

/* ---- Weights ---- */

static inline size_t panel_floats(const dit__kernels *k, int32_t columns, int32_t depth) {
  return (size_t)((columns + k->nr - 1) / k->nr) * (size_t)k->nr * (size_t)depth;
}

/* Weights and their values, [row][k] in the order of products. */
typedef struct matrix {
  dit__weights w;
  float *dense;
} matrix;

static inline matrix random_matrix(int32_t type, int32_t rows, int32_t k, int32_t taps, int style) {
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

/* Returns panels of columns first..first+count-1, which end where their array ends. */
static inline float *packed(const dit__kernels *k, const matrix *m, int32_t first, int32_t count) {
  float *panels = floats(panel_floats(k, count, m->w.k), STYLES);
  k->pack(&m->w, first, count, panels);
  return panels;
}

/* ---- Running ---- */

/* Instruction sets that this processor or build lacks are left out; with `report`, they count as skipped. */
static inline void open_tables(int report) {
  static const struct {
    int32_t isa, arm;
    const char *name;
  } levels[] = {{DIT_ISA_AVX2, 0, "AVX2"},      {DIT_ISA_AVX_VNNI, 0, "AVX-VNNI"},
                {DIT_ISA_AVX512, 0, "AVX-512"}, {DIT_ISA_AVX512_VNNI, 0, "AVX-512 VNNI"},
                {DIT_ISA_NEON, 1, "NEON"},      {DIT_ISA_NEON_DOT, 1, "NEON dot products"}};
#if defined(__aarch64__)
  const int32_t arm = 1;
#else
  const int32_t arm = 0;
#endif
  reference_kernels(&tables[0]);
  CHECK(dit__kernels_get(DIT_ISA_SCALAR, &tables[1]), "the scalar table is always there");
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
    char reason[60];
    if (levels[i].arm != arm) continue;
    table_names[table_count] = levels[i].name;
    snprintf(reason, sizeof reason, "%s: not in this processor or build", levels[i].name);
    if (dit__kernels_get(levels[i].isa, &tables[table_count]))
      table_count++;
    else if (report)
      SKIP(reason);
  }
}

/* Begins a test; returns 1 with --long. One of the tests must `report`. */
static inline int kernels_begin(int argc, char **argv, int report) {
  int large = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--long")) large = 1;
    if (!strcmp(argv[i], "--seed") && i + 1 < argc) state = strtoull(argv[++i], NULL, 10);
  }
  signal(SIGSEGV, touched_a_guard);
  signal(SIGBUS, touched_a_guard);
  open_tables(report);
  return large;
}

/* Runs `round` with each style of numbers, 40 times, or 800 times with --long. */
static inline void kernels_rounds(int large, void (*round)(int style)) {
  for (int i = 0; i < (large ? 800 : 40); i++)
    for (int style = 0; style < STYLES; style++) round(style);
}

#endif
