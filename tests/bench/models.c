/* Steps of DiT-XL/2, the autoencoder, sprites; their memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/model/model.h"
#include "tests/bench/limit.h"
#include "tests/bench/table.h"
#include "tests/difference.h"
#include "tests/marks.h"
#include "tests/synthetic.h"
#include "weights/sprites/dit_sprites.h"

enum { STEPS = 2 };

typedef struct file {
  char path[512];
  int there;
} file;

static file write_file(const char *name, const char *first, const char *second, int type) {
  file f;
  f.there = synthetic_file(synthetic_path(f.path, sizeof f.path, name), first, second, type);
  sync(); /* or it is written to the disk while the first rows are measured */
  return f;
}

static dit_model *open_file(const file *f, int32_t isa, int32_t threads, int32_t compute, uint64_t limit) {
  dit_model *model = NULL;
  const dit_options options = {.struct_size = sizeof options,
                               .isa = isa,
                               .threads = threads,
                               .compute = compute,
                               .memory_limit = limit,
                               .parallel_for = dit_pool_run,
                               .user = bench.pool};
  return f->there && dit_model_open(f->path, &options, &model, NULL) == DIT_OK ? model : NULL;
}

dit_model *bench_model(const char *first, const char *second) {
  const file f = write_file("bench", first, second, DIT_TYPE_F16);
  dit_model *model = open_file(&f, bench.isa, 1, 0, 0);
  remove(f.path);
  return model;
}

/* What a run took: seconds, GFLOP by its own count, and what part of the time was not spent in products of the
 * transformer or convolutions. */
typedef struct taken {
  double seconds, gflop, rest;
} taken;

/* The median of some runs of a job; `warm` runs are not counted (the first one maps the file). */
static taken run(const dit_model *model, const dit_params *params, int warm) {
  taken t = {0, 0, 0};
  double times[9];
  for (int r = -warm; r < bench.repeats; r++) {
    dit_job *job = NULL;
    dit_profile_row rows[32];
    int32_t count = 0;
    double all = 0, products = 0;
    if (dit_job_start(model, params, &job, NULL)) return t;
    const double start = bench_clock();
    dit_job_advance(job, -1, NULL);
    if (r >= 0) times[r] = bench_clock() - start;
    dit_job_profile(job, 32, rows, &count, NULL);
    t.gflop = 0;
    for (int32_t i = 0; i < count; i++) {
      t.gflop += rows[i].gflop;
      all += rows[i].seconds;
      if (!strcmp(rows[i].name, "gemm") || strstr(rows[i].name, "convolution")) products += rows[i].seconds;
    }
    t.rest = 1 - products / all;
    dit_job_end(job);
  }
  t.seconds = bench_median(times, bench.repeats);
  return t;
}

/* Steps with guidance; a step. */
static taken steps(const dit_model *model, int32_t latent, int32_t count) {
  const int32_t class_id = 207;
  const dit_params params = {.struct_size = sizeof params,
                             .classes = &class_id,
                             .width = latent,
                             .height = latent,
                             .steps = count,
                             .guidance_scale = 4};
  taken t = run(model, &params, 1);
  t.seconds /= count;
  t.gflop /= count;
  return t;
}

static const char *label(const char *what, const char *isa) {
  static char text[96];
  snprintf(text, sizeof text, "DiT-XL/2 %s, %s", what, isa);
  return text;
}

static int is_wide(int32_t isa) { return isa == DIT_ISA_AVX512 || isa == DIT_ISA_AVX512_VNNI; }

/* One instruction set. */
static void transformer(const file *f16, const file *q8, int32_t isa, const char *name) {
  const int32_t threads = bench.threads;
  const double asked = is_wide(isa) ? 0.80 : 0.86;
  dit_model *model = open_file(f16, isa, threads, 0, 0);
  if (!model) return;
  const taken f32 = steps(model, 0, STEPS);
  const double limit = limit_f32(isa, threads);
  bench_rate(label("256 px step, f32", name), f32.gflop, f32.seconds, limit, asked);
  bench_figure(label("256 px step, f32: all but products", name), 100 * f32.rest, "%", 12, 1);
  if (bench.full) {
    const taken large = steps(model, 64, 1);
    bench_rate(label("512 px step, f32", name), large.gflop, large.seconds, limit_f32(isa, threads),
               is_wide(isa) ? 0 : 0.82);
    bench_figure(label("512 px step, f32: all but products", name), 100 * large.rest, "%", 25, 1);
  }
  dit_model_close(model);
  if (threads > 1 && (bench.full || isa == DIT_ISA_AVX2)) {
    model = open_file(f16, isa, 1, 0, 0);
    const taken one = steps(model, 0, 1);
    bench_figure(label("256 px step, f32: gain of threads over the limit's", name),
                 one.seconds / f32.seconds / (limit / limit_f32(isa, 1)), "", 0.95, 0);
    dit_model_close(model);
  }
  model = open_file(q8, isa, threads, 0, 0);
  const taken int8 = steps(model, 0, STEPS);
  const double bytes = limit_bytes(isa, threads);
  if (isa == DIT_ISA_AVX2)
    bench_figure(label("256 px step, int8 over f32, time", name), int8.seconds / f32.seconds, "", 0.66, 1);
  if (bytes > 0)
    bench_rate(label("256 px step, int8, limit of bytes", name), int8.gflop, int8.seconds, bytes,
               isa == DIT_ISA_AVX512_VNNI ? 0.58 : 0);
  bench_figure(label("256 px step, int8: all but products", name), 100 * int8.rest, "%", 30, 1);
  dit_model_close(model);
  model = is_wide(isa) ? open_file(f16, isa, threads, DIT_COMPUTE_BF16, 0) : NULL;
  if (model) {
    const taken bf16 = steps(model, 0, STEPS);
    bench_rate(label("256 px step, bf16, limit of bf16", name), bf16.gflop, bf16.seconds, limit_bf16(threads), 0.75);
  }
  dit_model_close(model);
}

static void transformers(void) {
  if (!bench_wanted("DiT-XL/2 step")) return;
  const file f16 = write_file("f16", "XL/2:256", NULL, DIT_TYPE_F16),
             q8 = write_file("q8", "XL/2:256", NULL, DIT_TYPE_Q8);
  transformer(&f16, &q8, DIT_ISA_AVX2, "avx2");
  if (bench.isa != DIT_ISA_AVX2) transformer(&f16, &q8, bench.isa, "best");
  remove(f16.path);
  remove(q8.path);
  if (!bench.full) return;
  const file f32 = write_file("f32", "XL/2:256", NULL, DIT_TYPE_F32);
  const double start = bench_clock();
  dit_model *model = open_file(&f32, DIT_ISA_AVX2, bench.threads, 0, 0);
  if (model) {
    bench_figure("DiT-XL/2: opening a mapped file of 2.7 GB", 1e3 * (bench_clock() - start), "ms", 50, 1);
    const taken t = steps(model, 0, STEPS);
    bench_rate("DiT-XL/2 256 px step, f32 file, avx2", t.gflop, t.seconds, limit_f32(DIT_ISA_AVX2, bench.threads),
               0.86);
  }
  dit_model_close(model);
  remove(f32.path);
}

/* ---- What narrow numbers lose ---- */

/* How far a pass is from that in f32, whose weights in f16 are as good as f32 here. */
static void precision(const file *f16, const file *narrow, int32_t compute, double asked, const char *name) {
  dit_model *f32 = open_file(f16, bench.isa, bench.threads, DIT_COMPUTE_F32, 0),
            *model = open_file(narrow, bench.isa, bench.threads, compute, 0);
  if (f32 && model) bench_figure(name, 100 * pass_difference(f32, model), "%", 100 * asked, 1);
  dit_model_close(f32);
  dit_model_close(model);
}

static void precisions(void) {
  if (!bench_wanted("DiT-XL/2 pass") && !(bench.full && bench_wanted("DiT-XL/2 q4"))) return;
  const file f16 = write_file("f16", "XL/2:256", NULL, DIT_TYPE_F16),
             q8 = write_file("q8", "XL/2:256", NULL, DIT_TYPE_Q8);
  precision(&f16, &q8, DIT_COMPUTE_INT8, MARK_INT8, "DiT-XL/2 pass, int8: relative error");
  remove(q8.path);
  if (bench.full) {
    const file q4 = write_file("q4", "XL/2:256", NULL, DIT_TYPE_Q4);
    struct stat status;
    if (!stat(q4.path, &status)) bench_figure("DiT-XL/2 q4: file", (double)status.st_size / 1e6, "MB", 430, 1);
    precision(&f16, &q4, DIT_COMPUTE_F32, MARK_Q4, "DiT-XL/2 pass, q4 computed in f32: relative error");
    precision(&f16, &q4, DIT_COMPUTE_INT8, MARK_Q4, "DiT-XL/2 pass, q4 computed in int8: relative error");
    remove(q4.path);
  }
  remove(f16.path);
}

/* ---- The autoencoder ---- */

/* All convolutions of the decoder as plain products. */
static void without_winograd(dit__vae_coder *half, int32_t levels) {
  dit__resnet *middle = half->mid_block.resnet;
  for (int i = 0; i < 2; i++) middle[i].conv1.winograd = middle[i].conv2.winograd = 0;
  for (int32_t i = 0; i < levels; i++) {
    half->resample[i].winograd = 0;
    for (int32_t j = 0; j < half->resnets; j++) half->level[i][j].conv1.winograd = half->level[i][j].conv2.winograd = 0;
  }
}

/* The largest difference of a decoded picture, of numbers from about -1 to 1, to what direct convolutions give. */
static void worst_pixel(dit_model *model, int32_t latent, const float *x, const float *image, size_t count) {
  float *direct = bench_numbers(count), worst = 0;
  without_winograd(model->vae.decoder, model->vae.levels);
  dit_vae_decode(model, 1, latent, latent, x, direct, NULL);
  for (size_t i = 0; i < count; i++) {
    const float difference = image[i] > direct[i] ? image[i] - direct[i] : direct[i] - image[i];
    worst = difference > worst ? difference : worst;
  }
  bench_figure("SD decode: worst pixel to direct convolutions", 127.5 * (double)worst, "grey levels", 0, 1);
  free(direct);
}

static void decode(const file *f, int32_t latent, double gflop, double asked, const char *name) {
  if (!bench_wanted(name)) return;
  dit_model *model = open_file(f, bench.isa, bench.threads, 0, 0);
  if (!model) return;
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  const size_t count = (size_t)latent * (size_t)latent,
               pixels = count * (size_t)(info.vae_scale_factor * info.vae_scale_factor);
  float *x = bench_numbers((size_t)info.latent_channels * count), *image = bench_numbers(3 * pixels);
  double times[9];
  for (int r = -1; r < bench.repeats; r++) {
    const double start = bench_clock();
    dit_vae_decode(model, 1, latent, latent, x, image, NULL);
    if (r >= 0) times[r] = bench_clock() - start;
  }
  bench_rate(name, gflop, bench_median(times, bench.repeats), limit_f32(bench.isa, bench.threads), asked);
  if (latent == 32) worst_pixel(model, latent, x, image, 3 * pixels);
  free(x);
  free(image);
  dit_model_close(model);
}

/* The decoder of LightningDiT and FACM, 32 channels at a sixteenth of the size. */
static void va_vae(void) {
  static const char name[] = "VA-VAE decode 256 px, direct arithmetic";
  if (!bench_wanted(name)) return;
  const file f =
      write_file("vavae", "vae:blocks=128+128+256+256+512,layers=2,latent=32,attention=1", NULL, DIT_TYPE_F16);
  decode(&f, 16, 252, 1.3, name);
  remove(f.path);
}

/* What decoding within `megabytes` costs. */
static void decode_banded(const file *f, int32_t latent, double megabytes) {
  char name[96];
  snprintf(name, sizeof name, "SD decode banded, %d px in %.0f MB: time over unlimited", 8 * latent, megabytes);
  if (!bench_wanted(name)) return;
  const size_t count = (size_t)latent * (size_t)latent;
  float *x = bench_numbers(4 * count), *image = bench_numbers(3 * 64 * count);
  double times[2][9], seconds[2];
  for (int limited = 0; limited < 2; limited++) {
    dit_model *model = open_file(f, bench.isa, bench.threads, 0, limited ? (uint64_t)(megabytes * 1e6) : 0);
    for (int r = -1; model && r < bench.repeats; r++) {
      const double start = bench_clock();
      dit_vae_decode(model, 1, latent, latent, x, image, NULL);
      if (r >= 0) times[limited][r] = bench_clock() - start;
    }
    seconds[limited] = model ? bench_median(times[limited], bench.repeats) : 0;
    dit_model_close(model);
  }
  bench_figure(name, seconds[1] / seconds[0], "", 0, 0);
  free(x);
  free(image);
}

static double job_megabytes(const dit_model *model, int32_t count, int32_t steps_, int32_t latent) {
  static const int32_t classes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const dit_params params = {.struct_size = sizeof params,
                             .classes = classes,
                             .count = count,
                             .steps = steps_,
                             .width = latent * 8,
                             .height = latent * 8,
                             .guidance_scale = 4};
  size_t bytes = 0;
  dit_job_memory(model, &params, &bytes, NULL);
  return (double)bytes / 1e6;
}

static void autoencoder(void) {
  if (!bench_wanted("SD decode") && !bench_wanted("SD autoencoder memory") && !bench_wanted("banded")) return;
  const file f =
      write_file("vae", "dit:hidden=64,depth=1,heads=1,patch=8,latent=32,in=4,classes=9", "vae", DIT_TYPE_F16);
  decode(&f, 32, 622.187282432, 1.3, "SD decode 256 px, direct arithmetic");
  if (bench.full) decode(&f, 64, 2514.518933504, 1.3, "SD decode 512 px, direct arithmetic");
  decode_banded(&f, 32, 60);
  if (bench.full) decode_banded(&f, 64, 120);
  dit_model *model = open_file(&f, bench.isa, bench.threads, 0, 0);
  if (model && bench_wanted("SD autoencoder memory")) {
    bench_figure("SD autoencoder memory, 256 px", job_megabytes(model, 1, 1, 32), "MB", 150, 1);
    bench_figure("SD autoencoder memory, 512 px", job_megabytes(model, 1, 1, 64), "MB", 560, 1);
  }
  dit_model_close(model);
  remove(f.path);
}

/* ---- Memory of whole runs ---- */

static void memory(void) {
  if (!bench_wanted("DiT-XL/2 q8 job memory")) return;
  const file f = write_file("whole", "XL/2:256", "vae", DIT_TYPE_Q8);
  dit_model *model = open_file(&f, bench.isa, bench.threads, 0, 0);
  if (model) {
    dit_info info = {.struct_size = sizeof info};
    dit_model_info(model, &info);
    const double own = (double)info.memory / 1e6;
    bench_figure("DiT-XL/2 q8 job memory, 256 px, 50 steps", own + job_megabytes(model, 1, 50, 32), "MB", 250, 1);
    bench_figure("DiT-XL/2 q8 job memory, 256 px, 250 steps", own + job_megabytes(model, 1, 250, 32), "MB", 250, 1);
    bench_figure("DiT-XL/2 q8 job memory, 256 px, 8 pictures", own + job_megabytes(model, 8, 50, 32), "MB", 500, 1);
  }
  dit_model_close(model);
  if (bench.full) {
    const int32_t class_id = 207;
    const dit_params params = {.struct_size = sizeof params, .classes = &class_id, .steps = 4, .guidance_scale = 4};
    double seconds[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
      model = open_file(&f, bench.isa, bench.threads, 0, i ? (uint64_t)110 << 20 : 0); /* the rest is the model's own */
      if (model) seconds[i] = run(model, &params, 1).seconds;
      dit_model_close(model);
    }
    bench_figure("DiT-XL/2 q8 job memory of 120 MB: time over unlimited", seconds[1] / seconds[0], "", 0, 0);
  }
  remove(f.path);
}

/* ---- Models of one pass ---- */

/* A picture as the model recommends it, noise to bytes. */
static taken picture(const dit_model *model) {
  const int32_t class_id = 207;
  const dit_params params = {.struct_size = sizeof params, .classes = &class_id};
  return run(model, &params, 1);
}

/* JiT-B/16: 50.4 GFLOP and no autoencoder. */
static void pixels(void) {
  if (!bench_wanted("JiT-B/16 picture")) return;
  const file f16 = write_file("jit16", "jit-B/16:256", NULL, DIT_TYPE_F16),
             q8 = write_file("jit8", "jit-B/16:256", NULL, DIT_TYPE_Q8);
  dit_model *f32 = open_file(&f16, DIT_ISA_AVX2, bench.threads, 0, 0);
  dit_model *int8 = open_file(&q8, DIT_ISA_AVX2, bench.threads, 0, 0);
  if (f32 && int8) {
    const taken exact = picture(f32), narrow = picture(int8);
    bench_rate("JiT-B/16 picture, 256 px, f32, avx2", exact.gflop, exact.seconds,
               limit_f32(DIT_ISA_AVX2, bench.threads), 0.70);
    bench_figure("JiT-B/16 picture, f32: all but products, avx2", 100 * exact.rest, "%", 0, 1);
    bench_figure("JiT-B/16 picture, int8 over f32, time, avx2", narrow.seconds / exact.seconds, "", 0.60, 1);
  }
  dit_model_close(f32);
  dit_model_close(int8);
  const double start = bench_clock();
  int8 = open_file(&q8, bench.isa, bench.threads, 0, 0);
  if (int8) {
    const int32_t class_id = 207;
    const dit_params params = {.struct_size = sizeof params, .classes = &class_id};
    uint8_t *bytes = (uint8_t *)malloc(256 * 256 * 3);
    dit_generate(int8, &params, DIT_PIXELS_RGB, bytes, 256 * 256 * 3, NULL);
    const double first = bench_clock() - start;
    free(bytes);
    bench_figure("JiT-B/16 picture, q8: opening and first picture over a picture", first / picture(int8).seconds, "",
                 1.15, 1);
  }
  dit_model_close(int8);
  remove(f16.path);
  remove(q8.path);
}

/* DMF-XL/2 in one pass, with the Stable Diffusion decoder. */
static void one_pass(void) {
  if (!bench.full || !bench_wanted("DMF-XL/2 picture")) return;
  const file q8 = write_file("dmf", "dmf-XL/2:256", "vae", DIT_TYPE_Q8);
  const int32_t class_id = 207;
  const dit_params params = {.struct_size = sizeof params, .classes = &class_id, .steps = 1};
  dit_model *model = open_file(&q8, DIT_ISA_AVX2, bench.threads, 0, 0);
  if (model) {
    const taken t = run(model, &params, 1);
    bench_figure("DMF-XL/2 picture, 256 px, one pass in int8, avx2: time", t.seconds, "s", 0, 1);
  }
  dit_model_close(model);
  remove(q8.path);
}

/* ---- Sprites ---- */

static void sprites(int32_t count, double asked, const char *name) {
  if (!bench_wanted(name)) return;
  const dit_options options = {.struct_size = sizeof options, .threads = 1, .isa = bench.isa};
  dit_model *model = NULL;
  int32_t classes[64];
  for (int i = 0; i < count; i++) classes[i] = i % 16;
  const double start = bench_clock();
  if (dit_sprites_open(&options, &model, NULL)) return;
  const double opening = bench_clock() - start;
  const dit_params params = {.struct_size = sizeof params, .count = count, .classes = classes};
  const taken t = run(model, &params, 1);
  const double limit = limit_f32(bench.isa, 1), arithmetic = t.gflop / limit;
  char text[96];
  bench_figure(name, t.seconds / arithmetic, "times its arithmetic at the limit", asked, 1);
  snprintf(text, sizeof text, "%s: time", name);
  bench_figure(text, 1e3 * t.seconds, "ms", 0, 0);
  if (count == 1) bench_figure("sprite with opening", (t.seconds + opening) / arithmetic, "times", 2, 1);
  dit_model_close(model);
}

void bench_models(void) {
  transformers();
  precisions();
  autoencoder();
  va_vae();
  memory();
  pixels();
  one_pass();
  const int32_t shared = bench_processor_time;
  bench_processor_time = 1; /* one thread */
  sprites(1, 1.5, "sprite");
  sprites(16, 1.25, "16 sprites");
  bench_processor_time = shared;
}
