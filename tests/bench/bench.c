/* make bench: how near the library comes to what the processor can do. Every row is a ratio to a limit that was
 * measured beside it, so that it holds on any machine, however busy.
 *
 *   bench [--isa NAME] [--threads N] [--steps N] [--only WORD]
 *
 * Weights are synthetic; models are written to $DIT_TMP or /tmp and deleted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "tests/bench/limit.h"
#include "tests/synthetic.h"
#include "weights/sprites/dit_sprites.h"

static int32_t isa, threads = 2, repeats = 3;
static const char *only = "";

static const char *isa_name(int32_t id) {
  static const char *const names[] = {"best", "scalar", "neon", "avx2", "avx512", "avxvnni", "avx512vnni", "neondot"};
  return names[id];
}

static int wanted(const char *name) { return strstr(name, only) != NULL; }

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void row(const char *name, double gflop, double seconds, double limit) {
  printf("%-46s %9.2f ms %8.1f GFLOP/s   limit %7.1f   %5.3f of it\n", name, seconds * 1e3, gflop / seconds, limit,
         gflop / seconds / limit);
}

static float *numbers(size_t count) {
  float *x = (float *)aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64 + 64);
  uint32_t state = 1;
  for (size_t i = 0; x && i < count; i++) {
    state = state * 1664525u + 1013904223u;
    x[i] = (float)(int32_t)state * 0x1p-31f;
  }
  return x;
}

/* The four products of a block of DiT-XL/2 at 256 px with guidance, on one thread, weights packed before. */
static void bench_products(void) {
  static const int32_t shapes[4][2] = {{3456, 1152}, {1152, 1152}, {4608, 1152}, {1152, 4608}};
  const int32_t rows = 512;
  dit__kernels k;
  if (!dit__kernels_get(isa, &k)) return;
  for (int s = 0; s < 4; s++) {
    const int32_t n = shapes[s][0], depth = shapes[s][1], chunk = n / 4;
    float *a = numbers((size_t)rows * (size_t)depth), *w = numbers((size_t)n * (size_t)depth),
          *bias = numbers((size_t)n);
    float *out = numbers((size_t)rows * (size_t)n), *panels = numbers((size_t)(n + 64) * (size_t)depth);
    float *scratch = numbers((size_t)dit__product_scratch());
    float *partial = numbers((size_t)rows * (size_t)(chunk + 64));
    const dit__weights weights = {(const uint8_t *)w, NULL, depth, DIT__F32, n, depth, 1};
    double times[9], packs[9];
    for (int r = 0; r < 9; r++) {
      dit__product p;
      memset(&p, 0, sizeof p);
      const double start = bench_clock();
      k.pack(&weights, 0, n, panels);
      packs[r] = bench_clock() - start;
      for (int32_t at = 0; at < n; at += chunk) {
        p.a = a;
        p.row_stride = depth;
        p.line = p.rows_per_sample = rows;
        p.taps = 1;
        p.channels = depth;
        p.panels = panels + (size_t)at * (size_t)depth;
        p.columns = chunk;
        p.bias = bias + at;
        p.out = out + at;
        p.partial = partial;
        p.partial_rows = rows;
        p.out_stride = n;
        p.finish = s == 2 ? DIT__GELU : DIT__STORE;
        k.product(&p, 0, rows, scratch);
      }
      times[r] = bench_clock() - start - packs[r];
    }
    qsort(times, 9, sizeof(double), by_value);
    qsort(packs, 9, sizeof(double), by_value);
    char name[64];
    snprintf(name, sizeof name, "product 512 x %d x %d (packing %.0f %%)", n, depth, 100 * packs[4] / times[4]);
    row(name, 2.0 * rows * n * depth / 1e9, times[4], limit_f32(k.isa, 1));
    free(a);
    free(w);
    free(bias);
    free(out);
    free(panels);
    free(scratch);
    free(partial);
  }
}

/* One head of DiT-XL/2's attention, on one thread. */
static void bench_attention(int32_t tokens) {
  const int32_t dim = 72, width = 3 * 16 * dim;
  dit__kernels k;
  if (!dit__kernels_get(isa, &k)) return;
  float *qkv = numbers((size_t)tokens * (size_t)width), *out = numbers((size_t)tokens * 16 * (size_t)dim);
  float *keys = numbers((size_t)(tokens + 64) * 128), *values = numbers((size_t)(tokens + 64) * 128);
  float *scratch = numbers((size_t)dit__attention_scratch(dim));
  double times[9];
  const int heads = 16;
  for (int r = 0; r < 9; r++) {
    const double start = bench_clock();
    for (int h = 0; h < heads; h++) {
      const float *q = qkv + h * dim;
      const dit__weights as_weights = {(const uint8_t *)(q + 16 * dim), NULL, width, DIT__F32, tokens, dim, 1};
      k.pack(&as_weights, 0, tokens, keys);
      k.pack_columns(q + 32 * dim, width, tokens, dim, values);
      const dit__attention a = {tokens, dim, q, width, keys, values, 0.11785113f, out + h * dim, 16 * dim};
      k.attention(&a, 0, tokens, scratch);
    }
    times[r] = bench_clock() - start;
  }
  qsort(times, 9, sizeof(double), by_value);
  char name[64];
  snprintf(name, sizeof name, "attention, 16 heads of 72, %d tokens", tokens);
  row(name, heads * 4.0 * tokens * tokens * dim / 1e9, times[4], limit_f32(k.isa, 1));
  free(qkv);
  free(out);
  free(keys);
  free(values);
  free(scratch);
}

static dit_model *open_model(const char *first, const char *second, int type, int32_t compute) {
  char path[512];
  dit_error error;
  dit_model *model = NULL;
  const dit_options options = {.struct_size = sizeof options, .threads = threads, .isa = isa, .compute = compute};
  if (!synthetic_file(synthetic_path(path, sizeof path, "bench"), first, second, type)) return NULL;
  if (dit_model_open(path, &options, &model, &error)) printf("%s\n", error.message);
  remove(path);
  return model;
}

/* A step of sampling with guidance, of a job of four. */
static void bench_step(const char *specification, int type, int32_t compute, double gflop, const char *name) {
  enum { STEPS = 4 };
  dit_model *model = wanted(name) ? open_model(specification, NULL, type, compute) : NULL;
  if (!model) return;
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  const int32_t class_id = 207;
  const dit_params params = {.struct_size = sizeof params, .classes = &class_id, .steps = STEPS};
  double times[16];
  for (int r = -1; r < repeats; r++) { /* the first one maps the file */
    dit_job *job = NULL;
    if (dit_job_start(model, &params, &job, NULL)) break;
    const double start = bench_clock();
    dit_job_advance(job, -1, NULL);
    if (r >= 0) times[r] = (bench_clock() - start) / STEPS;
    dit_job_end(job);
  }
  qsort(times, (size_t)repeats, sizeof(double), by_value);
  row(name, gflop, times[repeats / 2], limit_f32(info.isa, threads));
  dit_model_close(model);
}

static void bench_decode(int32_t latent, double gflop, const char *name) {
  dit_model *model = wanted(name) ? open_model("vae", NULL, DIT_TYPE_F16, 0) : NULL;
  if (!model) return;
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  const size_t count = (size_t)latent * (size_t)latent;
  float *x = numbers(4 * count), *image = numbers(3 * 64 * count);
  double times[16];
  for (int r = 0; r < repeats; r++) {
    const double start = bench_clock();
    dit_vae_decode(model, 1, latent, latent, x, image, NULL);
    times[r] = bench_clock() - start;
  }
  qsort(times, (size_t)repeats, sizeof(double), by_value);
  row(name, gflop, times[repeats / 2], limit_f32(info.isa, threads));
  free(x);
  free(image);
  dit_model_close(model);
}

/* Sprites at the recommended setting, on one thread. */
static void bench_sprites(int32_t count, const char *name) {
  dit_model *model = NULL;
  if (!wanted(name)) return;
  const dit_options options = {.struct_size = sizeof options, .threads = 1, .isa = isa};
  const double start = bench_clock();
  if (dit_sprites_open(&options, &model, NULL)) return;
  const double opened = bench_clock();
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  uint8_t *pixels = (uint8_t *)malloc((size_t)count * 4096);
  int32_t classes[64];
  for (int i = 0; i < count; i++) classes[i] = i % 16;
  const dit_params params = {.struct_size = sizeof params, .count = count, .classes = classes};
  double times[16];
  for (int r = 0; r < repeats; r++) {
    const double begin = bench_clock();
    dit_generate(model, &params, DIT_PIXELS_RGBA, pixels, (size_t)count * 4096, NULL);
    times[r] = bench_clock() - begin;
  }
  qsort(times, (size_t)repeats, sizeof(double), by_value);
  char full[96];
  snprintf(full, sizeof full, "%s (opening %.1f ms)", name, (opened - start) * 1e3);
  /* Ten steps of two passes of 0.104 GFLOP, and the decoder's 0.18. */
  row(full, 2.26 * count, times[repeats / 2], limit_f32(info.isa, 1));
  free(pixels);
  dit_model_close(model);
}

static double percentile(const double *sorted, int count, double part) { return sorted[(int)((count - 1) * part)]; }

/* How long the units of a job are: what dit_job_advance cannot go below. One thread. */
static void bench_units(const dit_model *model, const dit_params *params, const char *name) {
  enum { MOST = 1 << 16 };
  double *times = (double *)malloc(MOST * sizeof(double));
  dit_job *job = NULL;
  int count = 0;
  if (model && !dit_job_start(model, params, &job, NULL)) {
    for (dit_status status = DIT_MORE; status == DIT_MORE && count < MOST;) {
      const double start = bench_clock();
      status = dit_job_advance(job, 0, NULL);
      times[count++] = 1e3 * (bench_clock() - start);
    }
    qsort(times, (size_t)count, sizeof(double), by_value);
    printf("%-46s %6d units: median %.3f ms, 99 %% %.3f ms, largest %.3f ms\n", name, count,
           percentile(times, count, 0.5), percentile(times, count, 0.99), times[count - 1]);
  }
  dit_job_end(job);
  free(times);
}

/* Sprites in frames of 2 ms: how far frames overrun. */
static void bench_frames(const dit_model *model) {
  enum { FRAMES = 1000, BUDGET = 2000, BINS = 8 };
  static const double edges[BINS - 1] = {0, 0.05, 0.1, 0.2, 0.5, 1, 2};
  int count = 0, histogram[BINS] = {0};
  const int32_t class_id = 3;
  for (uint64_t seed = 0; count < FRAMES; seed++) {
    const dit_params params = {.struct_size = sizeof params, .classes = &class_id, .seed = seed};
    dit_job *job = NULL;
    if (dit_job_start(model, &params, &job, NULL)) return;
    for (dit_status status = DIT_MORE; status == DIT_MORE && count < FRAMES; count++) {
      const double start = bench_clock();
      status = dit_job_advance(job, BUDGET, NULL);
      const double over = 1e3 * (bench_clock() - start) - BUDGET / 1000.0;
      int bin = 0;
      while (bin < BINS - 1 && over > edges[bin]) bin++;
      histogram[bin]++;
    }
    dit_job_end(job);
  }
  printf("%-46s", "sprite, frames of 2 ms: overrun in ms");
  for (int i = 0; i < BINS - 1; i++) printf(" <=%g: %d", edges[i], histogram[i]);
  printf(" more: %d\n", histogram[BINS - 1]);
}

static void bench_time(void) {
  const int32_t class_id = 3;
  const dit_options options = {.struct_size = sizeof options, .threads = 1, .isa = isa};
  dit_params params = {.struct_size = sizeof params, .classes = &class_id};
  dit_model *model = NULL;
  if (dit_sprites_open(&options, &model, NULL)) return;
  bench_units(model, &params, "units of a sprite");
  bench_frames(model);
  dit_model_close(model);
  const int32_t before = threads;
  threads = 1;
  params.steps = 1;
  model = open_model("XL/2:512", NULL, DIT_TYPE_F16, 0);
  bench_units(model, &params, "units of a step of DiT-XL/2, 512 px");
  dit_model_close(model);
  model = open_model("dit:hidden=64,depth=1,heads=1,patch=8,latent=64,in=4,classes=9", "vae", DIT_TYPE_F16, 0);
  bench_units(model, &params, "units of the SD decoder, 512 px");
  dit_model_close(model);
  threads = before;
}

int main(int count, char **arguments) {
  for (int i = 1; i + 1 < count; i += 2) {
    if (!strcmp(arguments[i], "--threads")) threads = atoi(arguments[i + 1]);
    if (!strcmp(arguments[i], "--repeats")) repeats = atoi(arguments[i + 1]);
    if (!strcmp(arguments[i], "--only")) only = arguments[i + 1];
    for (int32_t id = 1; id <= 7 && !strcmp(arguments[i], "--isa"); id++)
      if (!strcmp(arguments[i + 1], isa_name(id))) isa = id;
  }
  dit__kernels best;
  if (!dit__kernels_get(isa, &best)) {
    printf("this processor lacks %s\n", isa_name(isa));
    return 1;
  }
  printf(
      "instruction set %s; limit: f32 multiply-adds in registers: %.1f GFLOP/s on one thread, %.1f on %d; memory %.1f "
      "GB/s\n",
      isa_name(best.isa), limit_f32(best.isa, 1), limit_f32(best.isa, threads), threads, limit_memory(threads));
  if (wanted("product")) bench_products();
  if (wanted("attention")) bench_attention(256);
  if (wanted("attention")) bench_attention(1024);
  bench_step("XL/2:256", DIT_TYPE_F16, 0, 474.485686272, "DiT-XL/2 256 px guidance step, f16");
  bench_step("XL/2:256", DIT_TYPE_Q8, 0, 474.485686272, "DiT-XL/2 256 px guidance step, q8 as int8");
  bench_decode(32, 622.187282432, "SD autoencoder decode 256 px, f16");
  if (wanted("units")) bench_time();
  bench_sprites(1, "sprite");
  bench_sprites(16, "16 sprites");
  return 0;
}
