/* The decoder in less memory: every layout that memory_limit can choose gives the bits of the ordinary one.
 *
 * It fails if a layout gives other bits, on any instruction set or number of threads, in dit_vae_decode or in a job; if
 * it takes more than memory_limit allows, or the least that a refusal names does not do or is not the least; if no
 * layout takes much less than the ordinary one; or if the Stable Diffusion autoencoder needs more than 60 MB for a
 * picture of 256 px or 120 MB for one of 512. */
#include "lib/nets/autoencoder.h"
#include "tests/host.h"
#include "tests/synthetic.h"
#include "tests/test.h"

#define SMALL_DIT "dit:hidden=64,depth=1,heads=1,patch=1,latent=8,in=4,classes=9"
#define SD_DIT "dit:hidden=64,depth=1,heads=1,patch=8,latent=32,in=4,classes=9"

static host hooks;

static dit_model *open_model(const char *path, int32_t isa, int32_t threads) {
  const dit_options options = {.struct_size = sizeof options,
                               .isa = isa,
                               .threads = threads,
                               .user = &hooks,
                               .allocate = host_allocate,
                               .release = host_release,
                               .parallel_for = host_reversed};
  dit_model *model = NULL;
  dit_model_open(path, &options, &model, NULL);
  return model;
}

static unsigned long long least_of(const dit_error *error) {
  const char *at = strstr(error->message, "at least ");
  unsigned long long least = 0;
  CHECK(strstr(error->message, "memory_limit") && at && sscanf(at, "at least %llu", &least) == 1, "no least in '%s'",
        error->message);
  return least;
}

/* ---- Pictures ---- */

typedef struct picture {
  int32_t height, width; /* of the latent */
  float *latent, *expected, *image;
  size_t size; /* bytes of an image */
} picture;

static picture make_picture(const dit_model *model, int32_t height, int32_t width) {
  const dit__vae *vae = &model->vae;
  const int32_t numbers = vae->channels * height * width;
  picture p = {height, width, NULL, NULL, NULL, sizeof(float)};
  p.size *= (size_t)(vae->image_channels * height * vae->scale_factor * width * vae->scale_factor);
  p.latent = (float *)malloc((size_t)numbers * sizeof(float));
  p.expected = (float *)malloc(p.size);
  p.image = (float *)malloc(p.size);
  for (int32_t i = 0; i < numbers; i++) p.latent[i] = (float)((i * 7919) % 2001 - 1000) / 500;
  CHECK(dit_vae_decode(model, 1, height, width, p.latent, p.expected, NULL) == DIT_OK, "dit_vae_decode");
  return p;
}

static void free_picture(picture *p) {
  free(p->latent);
  free(p->expected);
  free(p->image);
}

/* ---- All that dit__plan_decode can do ---- */

/* Decodes within a budget; the bytes it really took. */
static size_t decode_within(const dit_model *model, const picture *p, size_t budget, int32_t *ops) {
  dit__engine engine;
  dit__plan plan;
  size_t peak = 0;
  uint8_t *block = NULL;
  dit__op *list = NULL;
  dit__engine_open(&engine, model, 0);
  for (int real = 0; real < 2; real++) {
    dit__plan_open(&plan, &engine, list, real ? block : dit__nowhere);
    dit__plan_decode(&plan, &model->vae, p->height, p->width, p->latent, 1, budget, p->image);
    CHECK(!real || (plan.workspace.peak == peak && plan.count == *ops), "a plan that is made again is another one");
    if (real) break;
    peak = plan.workspace.peak;
    *ops = plan.count;
    block = (uint8_t *)aligned_alloc(64, peak + 64);
    list = (dit__op *)malloc((size_t)plan.count * sizeof *list);
    memset(block, 0xff, peak + 64); /* numbers that nobody wrote are no numbers */
  }
  while (dit__plan_step(&plan)) continue;
  for (int i = 0; i < 64; i++) CHECK(block[peak + (size_t)i] == 0xff, "it writes behind its workspace");
  free(list);
  free(block);
  return peak;
}

/* From the ordinary way down, each in fewer bytes than the one before. */
static void walk(const dit_model *model, const char *name, int32_t threads, const picture *p) {
  int layouts = 0;
  int32_t ops = 0;
  size_t all = 0, peak;
  for (size_t budget = SIZE_MAX;; budget = peak - 1) {
    memset(p->image, 0xff, p->size);
    peak = decode_within(model, p, budget, &ops);
    if (!layouts++) all = peak;
    if (!CHECK(!memcmp(p->image, p->expected, p->size),
               "%s, %d x %d, isa %d, %d threads: other bits in %zu of %zu bytes", name, p->width, p->height,
               model->kernels.isa, threads, peak, all))
      break;
    if (peak > budget) break;
  }
  if (model->kernels.isa > DIT_ISA_SCALAR && threads == 1)
    printf("  %s, latent %d x %d: %d layouts, the least has %.2f of the ordinary workspace and %d operations\n", name,
           p->width, p->height, layouts, (double)peak / (double)all, ops);
  CHECK(layouts > 1, "%s has but the ordinary layout", name);
}

/* On one instruction set (0: the best) with one to three threads, or on every one. */
static void test_geometry(const char *name, int32_t height, int32_t width, int every) {
  char path[512];
  picture p = {0, 0, NULL, NULL, NULL, 0};
  if (!CHECK(synthetic_file(synthetic_path(path, sizeof path, "bands"), name, NULL, DIT_TYPE_F16), "%s", name)) return;
  for (int32_t isa = 0; isa <= (every ? DIT_ISA_NEON_DOT : 0); isa++)
    for (int32_t threads = 1; threads <= (isa ? 1 : 3); threads++) {
      dit_model *model = open_model(path, isa, isa ? 1 + isa % 3 : threads);
      if (!CHECK(model || isa, "%s: not opened", name) || !model) continue; /* an instruction set that is not there */
      if (!p.latent) p = make_picture(model, height, width);
      walk(model, name, model->options.threads, &p);
      dit_model_close(model);
    }
  remove(path);
  free_picture(&p);
}

static void test_geometries(void) {
  test_geometry("vae:blocks=16+16,layers=1,groups=4", 75, 4, 1);
  test_geometry("vae:blocks=16+16+32+32,layers=2,groups=8", 11, 14, 0);
  test_geometry("vae:blocks=16+32+16,layers=1,groups=4", 9, 51, 0);
  test_geometry("vae:blocks=20+36,layers=2,groups=4,in=4,out=4,latent=3", 101, 9, 0); /* no whole vectors */
  test_geometry("vae:blocks=8+16+16,layers=1,groups=4", 69, 5, 0);                    /* some convolutions direct */
  test_geometry("vae:blocks=32,layers=3,groups=8", 203, 5, 0);
  test_geometry("vae:blocks=16+16+32,layers=1,groups=8,attention=1", 11, 9, 0);
}

/* ---- Jobs ---- */

static void test_job(void) {
  enum { WIDTH = 24, HEIGHT = 600, SIZE = WIDTH * HEIGHT * 3 };
  static uint8_t expected[SIZE], pixels[SIZE];
  const int32_t class_id = 3;
  const dit_params params = {.struct_size = sizeof params,
                             .classes = &class_id,
                             .width = WIDTH,
                             .height = HEIGHT,
                             .steps = 2,
                             .guidance_scale = 2};
  dit_error error = {0};
  char path[512];
  size_t size = 0, least = 0, all = 0;
  int layouts = 0;
  if (!CHECK(synthetic_file(synthetic_path(path, sizeof path, "job"), SMALL_DIT,
                            "vae:blocks=16+32+32,layers=1,groups=8", DIT_TYPE_Q8),
             "no model"))
    return;
  dit_model *model = open_model(path, 0, 2);
  remove(path);
  if (!CHECK(model, "no model")) return;
  dit_generate(model, &params, DIT_PIXELS_NATIVE, expected, SIZE, NULL);
  for (; dit_job_memory(model, &params, &size, &error) == DIT_OK; layouts++, model->options.memory_limit = least - 1) {
    dit_job *job = NULL;
    dit_progress progress = {.struct_size = sizeof progress};
    int64_t units = 1;
    CHECK(!layouts || size < least, "%zu bytes with a limit of %zu", size, least - 1);
    least = size;
    all = layouts ? all : size;
    if (!CHECK(dit_job_start(model, &params, &job, &error) == DIT_OK, "%s", error.message)) break;
    CHECK(hooks.last == size, "a job took %zu bytes and told %zu", hooks.last, size);
    while (dit_job_advance(job, 0, NULL) == DIT_MORE) units++;
    dit_job_progress(job, &progress);
    CHECK(progress.units == units && progress.units_total == units, "%d units, told %d of %d", (int)units,
          (int)progress.units, (int)progress.units_total);
    CHECK(dit_job_pixels(job, 0, DIT_PIXELS_NATIVE, pixels, 0, &error) == DIT_OK, "%s", error.message);
    dit_job_end(job);
    CHECK(!memcmp(pixels, expected, SIZE), "other pixels in %zu of %zu bytes", size, all);
  }
  printf("  a job: %d layouts, from %zu to %zu bytes\n", layouts, all, least);
  CHECK(least_of(&error) == least, "the least is %zu, '%s'", least, error.message);
  CHECK(least < all * 2 / 3, "the least is %zu of %zu bytes", least, all);
  dit_model_close(model);
}

/* ---- The Stable Diffusion autoencoder ---- */

/* Memory of a job and of dit_vae_decode, whose allocator refuses, so that nothing is computed. */
static void check_megabytes(dit_model *model, int32_t size, double most) {
  const dit_params params = {
      .struct_size = sizeof params, .width = size, .height = size, .steps = 50, .guidance_scale = 4};
  const float latent = 0;
  float image;
  size_t bytes = 0;
  dit_error error = {0};
  model->options.memory_limit = (uint64_t)most;
  CHECK(dit_job_memory(model, &params, &bytes, &error) == DIT_OK && (double)bytes <= most, "%d px: %s", size,
        error.message);
  hooks.fail_at = hooks.calls + 1;
  hooks.last = 0;
  dit_vae_decode(model, 1, size / 8, size / 8, &latent, &image, &error);
  CHECK(hooks.last > 0 && (double)hooks.last <= most, "%d px: %s", size, error.message);
  hooks.fail_at = 0;
}

/* dit_vae_decode with the least that it names, and one byte less. */
static void check_least(dit_model *model, const picture *p) {
  dit_error error = {0};
  model->options.memory_limit = 1;
  CHECK(dit_vae_decode(model, 1, p->height, p->width, p->latent, p->image, &error) == DIT_ERROR_MEMORY, "no refusal");
  const unsigned long long least = least_of(&error);
  for (int more = -1; more <= 0; more++) {
    model->options.memory_limit = least + (unsigned long long)(long long)more;
    memset(p->image, 0xff, p->size);
    const dit_status status = dit_vae_decode(model, 1, p->height, p->width, p->latent, p->image, &error);
    CHECK(status == (more < 0 ? DIT_ERROR_MEMORY : DIT_OK), "%d, the least and %d: %s", status, more, error.message);
    CHECK(more < 0 || hooks.last == least, "%zu bytes, and %llu are the least", hooks.last, least);
    CHECK(more < 0 || !memcmp(p->image, p->expected, p->size), "other bits in %zu bytes", hooks.last);
  }
}

static void test_sd(void) {
  char path[512];
  if (!CHECK(synthetic_file(synthetic_path(path, sizeof path, "sd"), SD_DIT, "vae", DIT_TYPE_F16), "no model")) return;
  for (int32_t isa = 0; isa <= DIT_ISA_NEON_DOT; isa++)
    for (int32_t threads = 1; threads <= 4; threads++) {
      dit_model *model = open_model(path, isa, threads);
      if (!model) continue;
      check_megabytes(model, 256, 60e6);
      check_megabytes(model, 512, 120e6);
      dit_model_close(model);
    }
  dit_model *model = open_model(path, 0, 2);
  remove(path);
  if (!CHECK(model, "no model")) return;
  picture p = make_picture(model, 24, 1);
  check_least(model, &p);
  free_picture(&p);
  dit_model_close(model);
}

int main(void) {
  test_geometries();
  test_job();
  test_sd();
  CHECK(!hooks.wrong && !hooks.count, "%d wrong calls of the allocator, %d blocks left", hooks.wrong, hooks.count);
  return test_end("test_bands");
}
