/* How large units of work are. The kernels of a model are replaced by ones that only count, so that jobs of any size
 * run in no time: what is counted is what the real ones would have been asked for.
 *
 * It fails if one unit of any job asks for more than 1 GFLOP (0.05 for models that are kept packed), packing, norms and
 * modulation included, if decoding takes much more memory than its two largest activations, if all units together do
 * not ask for the arithmetic that the network has, or if results depend on how small units are. */
#include "lib/model/model.h"
#include "tests/host.h"
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/sprites/dit_sprites.h"

/* What a number costs that is only moved or normed, in flops of a product, as in DESIGN's unit of work: a core that
 * does 30 multiply-adds a cycle does no more than a few of these. */
enum { MOVED = 16 };

static double counted, useful; /* since the unit began; of products since the job began */

static void count(double flops, double arithmetic) {
  counted += flops;
  useful += arithmetic;
}

static void count_pack(const dit__weights *w, int32_t first, int32_t columns, float *panels) {
  (void)first, (void)panels;
  count((double)MOVED * columns * w->k, 0);
}

static void count_pack_dot(const dit__weights *w, int32_t first, int32_t columns, uint8_t *panels) {
  (void)first, (void)panels;
  count((double)MOVED * columns * w->k, 0);
}

static void count_pack_columns(const float *b, ptrdiff_t stride, int32_t k, int32_t columns, float *panels) {
  (void)b, (void)stride, (void)panels;
  count((double)MOVED * k * columns, 0);
}

static void count_pack_rows(const dit__gemm *p, int32_t part, int32_t parts) {
  (void)part;
  count((double)MOVED * p->line * p->channels / parts, 0);
}

static void count_product(const dit__gemm *p, int32_t first, int32_t rows, float *scratch) {
  (void)first, (void)scratch;
  const double flops = 2.0 * rows * p->columns * p->taps * p->channels;
  count(flops, flops);
}

static void count_winograd_pack(const dit__weights *w, int32_t first, int32_t columns, float *panels) {
  (void)first, (void)panels;
  count((double)MOVED * columns * DIT__WINOGRAD_POINTS * (w->k / 9), 0);
}

static void count_winograd_in(const dit__winograd *w, int32_t first, int32_t tiles) {
  (void)first;
  count((double)MOVED * tiles * DIT__WINOGRAD_POINTS * w->channels, 0);
}

/* The arithmetic of a convolution is that of the direct one, of the pixels that are there. */
static void count_winograd(const dit__winograd *w, int32_t first, int32_t tiles, float *scratch) {
  const int32_t across = (w->width + 3) / 4;
  int64_t pixels = 0;
  (void)scratch;
  for (int32_t t = w->first + first; t < w->first + first + tiles; t++) {
    const int32_t right = w->width - t % across * 4, below = w->height - t / across * 4;
    pixels += (right < 4 ? right : 4) * (below < 4 ? below : 4);
  }
  const double sums = 2.0 * DIT__WINOGRAD_POINTS * w->channels;
  count((double)tiles * w->columns * (sums + 16 * MOVED), 18.0 * (double)pixels * w->channels * w->columns);
}

static void count_product_dot(const dit__qgemm *p, int32_t first, int32_t rows) {
  (void)first;
  const double flops = 8.0 * rows * p->to.columns * p->groups;
  count(flops, flops);
}

static void count_attention(const dit__attention *a, int32_t first, int32_t rows, float *scratch) {
  (void)first, (void)scratch;
  const double flops = 4.0 * rows * a->tokens * a->dim;
  count(flops, flops);
}

static void count_norm(const dit__norm_rows *n) { count((double)MOVED * n->rows * n->width, 0); }

static void count_rotate(float *x, ptrdiff_t x_stride, int32_t rows, int32_t half, const float *cosine,
                         const float *sine) {
  (void)x, (void)x_stride, (void)cosine, (void)sine;
  count((double)MOVED * rows * half, 0);
}

static void count_narrow(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t width, uint8_t *q,
                         ptrdiff_t q_stride, float *row_scale, float *row_low) {
  (void)x, (void)x_stride, (void)q, (void)q_stride, (void)row_scale, (void)row_low;
  count((double)MOVED * rows * width, 0);
}

static void count_silu(const float *x, int64_t numbers, float *out) {
  (void)x, (void)out;
  count((double)MOVED * (double)numbers, 0);
}

static void count_affine(const float *x, ptrdiff_t x_step, int32_t pixels, int32_t channels, const float *scale,
                         const float *shift, int32_t silu, float *out) {
  (void)x, (void)x_step, (void)scale, (void)shift, (void)silu, (void)out;
  count((double)MOVED * pixels * channels, 0);
}

static void count_sums(const float *x, int32_t pixels, int32_t channels, double *sum, double *squares) {
  (void)x;
  for (int32_t i = 0; i < channels; i++) sum[i] = squares[i] = 0;
  count((double)MOVED / 2 * pixels * channels, 0);
}

static void count_convert(int32_t type, const uint8_t *x, int64_t numbers, float scale, float *out) {
  (void)type, (void)x, (void)scale, (void)out;
  count((double)MOVED * (double)numbers, 0);
}

static void only_count(dit_model *model) {
  dit__kernels *k = &model->kernels;
  k->pack = count_pack;
  k->i8.pack = count_pack_dot;
  k->pack_columns = count_pack_columns;
  k->pack_rows = count_pack_rows;
  k->gemm = count_product;
  k->winograd_filter = count_winograd_pack;
  k->winograd_input = count_winograd_in;
  k->winograd_output = count_winograd;
  k->i8.gemm = count_product_dot;
  k->attention = count_attention;
  k->norm = count_norm;
  k->rotate = count_rotate;
  k->i8.quantize = count_narrow;
  k->silu = count_silu;
  k->affine = count_affine;
  k->channel_sums = count_sums;
  k->convert = count_convert;
}

/* Runs a job unit by unit. */
static void measure(const dit_model *model, const char *name, const dit_params *params, double most) {
  dit_error error = {0};
  dit_job *job = NULL;
  double largest = 0;
  int64_t at = 0, largest_at = 0;
  useful = 0;
  if (!CHECK(dit_job_start(model, params, &job, &error) == DIT_OK, "%s: %s", name, error.message)) return;
  for (dit_status status = DIT_MORE; status == DIT_MORE; at++) {
    counted = 0;
    status = dit_job_advance(job, 0, NULL);
    if (counted > largest) {
      largest = counted;
      largest_at = at;
    }
  }
  CHECK(largest <= most, "%s, %d of %d x %d: unit %lld of %lld has %.4f GFLOP", name, params->count, params->width,
        params->height, (long long)largest_at, (long long)at, largest / 1e9);
  dit_job_end(job);
}

static const int32_t no_classes[64] = {0};

static dit_params make(int32_t count_, int32_t width, int32_t height, int32_t steps) {
  dit_params p = {.struct_size = sizeof p, .count = count_, .width = width, .height = height, .steps = steps};
  p.classes = no_classes;
  p.guidance_scale = 2;
  return p;
}

static dit_model *open_counting(const char *path, int32_t threads) {
  static host h;
  const dit_options options = {
      .struct_size = sizeof options, .threads = threads, .user = &h, .parallel_for = host_serial};
  dit_model *model = NULL;
  dit_error error = {0};
  if (!CHECK(dit_model_open(path, &options, &model, &error) == DIT_OK, "%s", error.message)) return NULL;
  only_count(model);
  return model;
}

static void test_sprites(void) {
  static const int32_t sizes[][2] = {{32, 32}, {256, 256}, {4096, 8}, {8, 4096}, {2048, 64}};
  const dit_options options = {.struct_size = sizeof options, .threads = 1};
  dit_model *model = NULL;
  if (!CHECK(dit_sprites_open(&options, &model, NULL) == DIT_OK, "dit_sprites_open")) return;
  only_count(model);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int32_t n = 1; n <= (i ? 1 : 64); n *= 8) {
      const dit_params p = make(n, sizes[i][0], sizes[i][1], 2);
      measure(model, "sprites", &p, 0.05e9);
    }
  dit_params p = make(1, 32, 32, 1);
  p.guidance_scale = 1;
  measure(model, "sprites", &p, 0.05e9);
  CHECK(useful > 0.11e9 && useful < 0.5e9, "a pass and a decoding ask for %.3f GFLOP", useful / 1e9);
  dit_model_close(model);
}

/* Decoding needs little more than its two largest activations, 101 MB at 256 px and 403 MB at 512 px; what a block of
 * the transformer needs is less. */
static void test_decoder_memory(const dit_model *model) {
  static const double most[2] = {150e6, 560e6};
  for (int i = 0; i < 2; i++) {
    const dit_params p = make(1, 256 << i, 256 << i, 1);
    size_t bytes = 0;
    CHECK(!dit_job_memory(model, &p, &bytes, NULL) && (double)bytes <= most[i], "%d px: a job takes %.1f MB", 256 << i,
          (double)bytes / 1e6);
  }
}

/* Decoding in bands. */
static void test_banded(dit_model *model, const char *name) {
  for (int i = 0; i < 2; i++) {
    const dit_params p = make(1, 256 << i, 256 << i, 1);
    model->options.memory_limit = i ? 120000000 : 60000000;
    measure(model, name, &p, 1e9);
  }
  model->options.memory_limit = 0;
}

/* One block as wide as DiT-XL's and the Stable Diffusion autoencoder, from nothing and from a picture. */
static void test_large(int type, const char *name) {
  static const int32_t sizes[][2] = {{512, 512}, {8192, 16}, {16, 8192}};
  char path[256];
  synthetic_path(path, sizeof path, "units");
  if (!CHECK(synthetic_file(path, "dit:hidden=1152,depth=1,heads=16,patch=2,latent=32,in=4,classes=9", "vae", type),
             "synthetic model"))
    return;
  for (int32_t threads = 1; threads <= 5; threads += 4) {
    dit_model *model = open_counting(path, threads);
    if (!model) break;
    for (size_t i = 0; i < (type == DIT_TYPE_Q8 ? 1 : sizeof sizes / sizeof *sizes); i++) {
      const int32_t width = sizes[i][0], height = sizes[i][1];
      dit_params p = make(1, width, height, 1);
      uint8_t *start = (uint8_t *)calloc((size_t)width * (size_t)height, 3);
      p.init_image = start;
      p.strength = 1;
      if (threads == 1 || i == 0) measure(model, name, &p, 1e9);
      free(start);
    }
    test_decoder_memory(model);
    if (type == DIT_TYPE_F16 && threads == 1) test_banded(model, name);
    const dit_params batch = make(64, 16, 256, 1);
    measure(model, name, &batch, 1e9);
    dit_model_close(model);
  }
  dit_model *model = open_counting(path, 1);
  if (model) {
    const dit_params p = make(1, 256, 256, 1);
    measure(model, name, &p, 1e9);
    /* 12 hidden^2 a token and block, attention, the ends, and 622.2 of the decoder (tests/bench) */
    const double block = 2 * (256 * (2.0 * 12 * 1152 * 1152 + 4.0 * 256 * 1152));
    CHECK(useful > 622.1e9 + block && useful < 622.4e9 + 1.05 * block, "a step and a decoding ask for %.1f GFLOP",
          useful / 1e9);
  }
  dit_model_close(model);
  remove(path);
}

/* The same bytes, however small units are: then every operation is cut in every way it can be. */
static void test_small_units(void) {
  enum { WIDTH = 96, HEIGHT = 32, SIZE = WIDTH * HEIGHT * 4 };
  static const double sizes[] = {1e9, 1e7, 1e6, 1e5, 1e4};
  static uint8_t pixels[2][SIZE], start[SIZE];
  const dit_options options = {.struct_size = sizeof options, .threads = 2};
  dit_model *model = NULL;
  if (!CHECK(dit_sprites_open(&options, &model, NULL) == DIT_OK, "dit_sprites_open")) return;
  for (int i = 0; i < SIZE; i++) start[i] = (uint8_t)((unsigned)i * 2654435761u >> 24);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    dit_params p = make(1, WIDTH, HEIGHT, 2);
    p.init_image = start;
    p.strength = 0.6f; /* encoder, a pass, decoder */
    model->unit_flops = sizes[i];
    dit_status status = dit_generate(model, &p, DIT_PIXELS_NATIVE, pixels[i > 0], SIZE, NULL);
    CHECK(status == DIT_OK && !memcmp(pixels[0], pixels[i > 0], SIZE), "other pixels with units of %g", sizes[i]);
  }
  dit_model_close(model);
}

int main(void) {
  test_small_units();
  test_sprites();
  test_large(DIT_TYPE_F16, "XL, f16");
  test_large(DIT_TYPE_Q8, "XL, q8");
  return test_end("test_units");
}
