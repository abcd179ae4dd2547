/* Kernels alone, on one thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kernels/kernels.h"
#include "tests/bench/limit.h"
#include "tests/bench/table.h"

/* Times the four products of a block of DiT-XL/2 at 256 px with guidance, on one thread, with packed weights. */
static void products(void) {
  static const int32_t shapes[4][2] = {{3456, 1152}, {1152, 1152}, {4608, 1152}, {1152, 4608}};
  const int32_t rows = 512;
  dit__kernels k;
  if (!dit__kernels_get(bench.isa, &k)) return;
  for (int s = 0; s < 4; s++) {
    const int32_t n = shapes[s][0], depth = shapes[s][1], chunk = n / 4;
    float *a = bench_numbers((size_t)rows * (size_t)depth), *w = bench_numbers((size_t)n * (size_t)depth),
          *bias = bench_numbers((size_t)n);
    float *out = bench_numbers((size_t)rows * (size_t)n), *panels = bench_numbers((size_t)(n + 64) * (size_t)depth);
    float *scratch = bench_numbers((size_t)dit__gemm_scratch());
    float *partial = bench_numbers((size_t)rows * (size_t)(chunk + 64));
    const dit__weights weights = {
        .data = (const uint8_t *)w, .stride = depth, .type = DIT__F32, .rows = n, .k = depth, .taps = 1};
    double times[9], packs[9];
    for (int r = 0; r < 9; r++) {
      dit__gemm p = {.a = a,
                     .row_stride = depth,
                     .line = rows,
                     .taps = 1,
                     .channels = depth,
                     .columns = chunk,
                     .out_stride = n,
                     .partial = partial,
                     .partial_rows = rows,
                     .epilogue = s == 2 ? DIT__EPILOGUE_GELU : DIT__EPILOGUE_STORE,
                     .rows_per_sample = rows};
      const double start = bench_clock();
      k.pack(&weights, 0, n, panels);
      packs[r] = bench_clock() - start;
      for (int32_t at = 0; at < n; at += chunk) {
        p.panels = panels + (size_t)at * (size_t)depth;
        p.bias = bias + at;
        p.out = out + at;
        k.gemm(&p, 0, rows, scratch);
      }
      times[r] = bench_clock() - start - packs[r];
    }

    const double time = bench_median(times, 9), pack = bench_median(packs, 9);
    char name[64];
    snprintf(name, sizeof name, "product 512 x %d x %d (packing %.0f %%)", n, depth, 100 * pack / time);
    bench_rate(name, 2.0 * rows * n * depth / 1e9, time, limit_f32(k.isa, 1), 0);
    free(a);
    free(w);
    free(bias);
    free(out);
    free(panels);
    free(scratch);
    free(partial);
  }
}

/* Times the heads of DiT-XL/2's attention, on one thread. */
static void attention(int32_t tokens) {
  const int32_t dim = 72, width = 3 * 16 * dim;
  dit__kernels k;
  if (!dit__kernels_get(bench.isa, &k)) return;
  float *qkv = bench_numbers((size_t)tokens * (size_t)width), *out = bench_numbers((size_t)tokens * 16 * (size_t)dim);
  float *keys = bench_numbers((size_t)(tokens + 64) * 128), *values = bench_numbers((size_t)(tokens + 64) * 128);
  float *scratch = bench_numbers((size_t)dit__attention_scratch(dim));
  double times[9];
  const int heads = 16;
  for (int r = 0; r < 9; r++) {
    const double start = bench_clock();
    for (int h = 0; h < heads; h++) {
      const float *q = qkv + h * dim;
      const dit__weights as_weights = {.data = (const uint8_t *)(q + 16 * dim),
                                       .stride = width,
                                       .type = DIT__F32,
                                       .rows = tokens,
                                       .k = dim,
                                       .taps = 1};
      k.pack(&as_weights, 0, tokens, keys);
      k.pack_columns(q + 32 * dim, width, tokens, dim, values);
      const dit__attention a = {.tokens = tokens,
                                .dim = dim,
                                .q = q,
                                .q_stride = width,
                                .keys = keys,
                                .values = values,
                                .scale = 0.11785113f,
                                .out = out + h * dim,
                                .out_stride = 16 * dim};
      k.attention(&a, 0, tokens, scratch);
    }
    times[r] = bench_clock() - start;
  }

  char name[64];
  snprintf(name, sizeof name, "attention, 16 heads of 72, %d tokens", tokens);
  bench_rate(name, heads * 4.0 * tokens * tokens * dim / 1e9, bench_median(times, 9), limit_f32(k.isa, 1), 0.65);
  free(qkv);
  free(out);
  free(keys);
  free(values);
  free(scratch);
}

void bench_kernels(void) {
  if (bench_wanted("product")) products();
  if (bench_wanted("attention")) {
    attention(256);
    attention(1024);
  }
}
