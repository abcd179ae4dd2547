#include "tests/bench/limit.h"
#include "tests/bench/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dit.h"

int32_t bench_processor_time;

double bench_clock(void) {
  struct timespec now;
  clock_gettime(bench_processor_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Twelve accumulators hide the latency of two units; the asm keeps the compiler from seeing through the sums. */
#define ACCUMULATORS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
enum { ROUNDS = 1 << 20, LANES_AT_ONCE = 12 };

#if defined(__x86_64__)
#include <immintrin.h>

#define BEGIN_256(i) __m256 a##i = _mm256_set1_ps((float)i);
#define STEP_256(i) __asm__("vfmadd231ps %1, %2, %0" : "+x"(a##i) : "x"(x), "x"(y));
#define END_256(i) __asm__ volatile("" : : "x"(a##i));
__attribute__((target("avx2,fma"))) static double loop_avx2(void) {
  const __m256 x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(0.25f);
  ACCUMULATORS(BEGIN_256)
  for (int r = 0; r < ROUNDS; r++) {
    ACCUMULATORS(STEP_256)
  }
  ACCUMULATORS(END_256)
  return 2.0 * 8 * LANES_AT_ONCE * ROUNDS;
}

#define BEGIN_512(i) __m512 a##i = _mm512_set1_ps((float)i);
#define STEP_512(i) __asm__("vfmadd231ps %1, %2, %0" : "+v"(a##i) : "v"(x), "v"(y));
#define END_512(i) __asm__ volatile("" : : "v"(a##i));
__attribute__((target("avx512f"))) static double loop_avx512(void) {
  const __m512 x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(0.25f);
  ACCUMULATORS(BEGIN_512)
  for (int r = 0; r < ROUNDS; r++) {
    ACCUMULATORS(STEP_512)
  }
  ACCUMULATORS(END_512)
  return 2.0 * 16 * LANES_AT_ONCE * ROUNDS;
}

#define BEGIN_I256(i) __m256i a##i = _mm256_set1_epi32(i), t##i;
#define STEP_I256(i)                                                          \
  __asm__("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0" \
          : "+x"(a##i), "=&x"(t##i)                                           \
          : "x"(x), "x"(y), "x"(ones));
#define END_I256(i) __asm__ volatile("" : : "x"(a##i));
#define SIX(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
__attribute__((target("avx2"))) static double loop_bytes_avx2(void) {
  const __m256i x = _mm256_set1_epi8(1), y = _mm256_set1_epi8(2), ones = _mm256_set1_epi16(1);
  SIX(BEGIN_I256)
  for (int r = 0; r < ROUNDS; r++) {
    SIX(STEP_I256)
  }
  SIX(END_I256)
  return 2.0 * 32 * 6 * ROUNDS;
}

#define BEGIN_I512(i) __m512i a##i = _mm512_set1_epi32(i);
#define STEP_BYTES(i) __asm__("vpdpbusd %2, %1, %0" : "+v"(a##i) : "v"(x), "v"(y));
#define STEP_BF16(i) __asm__("vdpbf16ps %2, %1, %0" : "+v"(a##i) : "v"(x), "v"(y));
#define END_I512(i) __asm__ volatile("" : : "v"(a##i));
__attribute__((target("avx512f"))) static double loop_bytes_avx512(void) {
  const __m512i x = _mm512_set1_epi32(0x01010101), y = x;
  ACCUMULATORS(BEGIN_I512)
  for (int r = 0; r < ROUNDS; r++) {
    ACCUMULATORS(STEP_BYTES)
  }
  ACCUMULATORS(END_I512)
  return 2.0 * 64 * LANES_AT_ONCE * ROUNDS;
}
__attribute__((target("avx512f"))) static double loop_bf16(void) {
  const __m512i x = _mm512_set1_epi32(0x3f003f00), y = x;
  ACCUMULATORS(BEGIN_I512)
  for (int r = 0; r < ROUNDS; r++) {
    ACCUMULATORS(STEP_BF16)
  }
  ACCUMULATORS(END_I512)
  return 2.0 * 32 * LANES_AT_ONCE * ROUNDS;
}
#endif

/* One number at a time, for processors without a loop of their own above. */
static double loop_scalar(void) {
  volatile float keep;
  float a[LANES_AT_ONCE] = {0};
  for (int r = 0; r < ROUNDS / 8; r++)
    for (int i = 0; i < LANES_AT_ONCE; i++) a[i] = a[i] * 0.5f + 0.25f;
  for (int i = 0; i < LANES_AT_ONCE; i++) keep = a[i];
  (void)keep;
  return 2.0 * LANES_AT_ONCE * (ROUNDS / 8);
}

static void DIT_CALL run_loop(void *context, int32_t index) {
  double (*loop)(void) = *(double (**)(void))context;
  (void)index;
  loop();
}

static double best_rate(double (*loop)(void), int32_t threads) {
  double best = 0;
  const double flops = loop() * threads;
  for (int attempt = 0; attempt < 5; attempt++) {
    const double start = bench_clock();
    dit_pool_run(bench.pool, threads, run_loop, &loop);
    const double rate = flops / (bench_clock() - start) / 1e9;
    best = rate > best ? rate : best;
  }
  return best;
}

double limit_f32(int32_t isa, int32_t threads) {
  double (*loop)(void) = loop_scalar;
#if defined(__x86_64__)
  if (isa == DIT_ISA_AVX2 || isa == DIT_ISA_AVX_VNNI) loop = loop_avx2;
  if (isa == DIT_ISA_AVX512 || isa == DIT_ISA_AVX512_VNNI) loop = loop_avx512;
#else
  (void)isa;
#endif
  return best_rate(loop, threads);
}

double limit_bytes(int32_t isa, int32_t threads) {
  double (*loop)(void) = NULL;
#if defined(__x86_64__)
  if (isa == DIT_ISA_AVX2 || isa == DIT_ISA_AVX512) loop = loop_bytes_avx2;
  if (isa == DIT_ISA_AVX512_VNNI) loop = loop_bytes_avx512;
#else
  (void)isa;
#endif
  return loop ? best_rate(loop, threads) : 0;
}

double limit_bf16(int32_t threads) {
#if defined(__x86_64__)
  return best_rate(loop_bf16, threads);
#else
  (void)threads;
  return 0;
#endif
}

enum { READ_WORDS = 32 << 20 };

/* Reads the part of a thread. */
static void DIT_CALL read_words(void *context, int32_t index) {
  uint64_t sum[8] = {0}, total = 0;
  const uint64_t *from = (const uint64_t *)context + (size_t)READ_WORDS * (size_t)index;
  for (size_t k = 0; k < READ_WORDS; k += 8)
    for (int j = 0; j < 8; j++) sum[j] += from[k + (size_t)j];
  for (int j = 0; j < 8; j++) total += sum[j];
  volatile uint64_t keep = total;
  (void)keep;
}

double limit_memory(int32_t threads) {
  const size_t words = READ_WORDS;
  double best = 0;
  uint64_t *data = (uint64_t *)malloc(words * 8 * (size_t)threads);
  if (!data) return 0;
  memset(data, 1, words * 8 * (size_t)threads);
  for (int attempt = 0; attempt < 3; attempt++) {
    const double start = bench_clock();
    dit_pool_run(bench.pool, threads, read_words, data);
    const double rate = (double)words * 8 * threads / (bench_clock() - start) / 1e9;
    best = rate > best ? rate : best;
  }
  free(data);
  return best;
}
