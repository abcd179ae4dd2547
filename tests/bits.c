/* bits ISA THREADS [small|sprite|all] [hostile]: SHA-256 of results, one line "NAME HASH" each.
 *
 * tests/test_bits.sh and tests/machines.sh compare the lines with tests/golden/bits.txt, for instruction sets,
 * numbers of threads, builds and machines. small: synthetic models, the files that dit-convert writes of them, and a sprite
 * of two steps; sprite: and one of ten; all: and several. ISA is scalar, neon, avx2, avx512, avxvnni, avx512vnni, neondot
 * or best. hostile: caller and tasks come with flush-to-zero, another rounding, traps and sticky flags, and must find
 * them again. Exit status 3: this processor or build lacks the instruction set. */
#include <fenv.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "dit.h"
#include "lib/core/little_endian.h"
#include "tests/forward.h"
#include "tests/sha256.h"
#include "tests/synthetic.h"
#include "weights/sprites/dit_sprites.h"

static dit_options bits_options;
static int hostile, mode_lost;

static void stop(const char *what, const dit_error *error) {
  printf("bits: %s: %s\n", what, error ? error->message : "failed");
  exit(error && error->status == DIT_ERROR_UNSUPPORTED ? 3 : 1);
}

static void check(dit_status status, const char *what, const dit_error *error) {
  if (status != DIT_OK) stop(what, error);
}

/* ---- SHA-256 of numbers, each with its lowest byte first ---- */

static void say(const char *name, const char *part, const void *data, size_t size, size_t count) {
  uint8_t *bytes = (uint8_t *)malloc(size * count);
  char digits[65];
  if (!bytes) stop("memory", NULL);
  copy_le(bytes, data, size, count);
  sha256(bytes, size * count, digits);
  printf("%s%s %s\n", name, part, digits);
  free(bytes);
}

static float *numbers(int32_t generator, uint64_t seed, size_t count) {
  float *x = (float *)malloc(count * sizeof(float));
  dit_rng *rng = NULL;
  if (!x || dit_rng_open(generator, seed, &rng, NULL) != DIT_OK || dit_rng_normal(rng, (int64_t)count, x) != DIT_OK)
    stop("random numbers", NULL);
  dit_rng_close(rng);
  return x;
}

/* ---- The floating-point mode of a careless host ---- */

static unsigned mode_get(void) {
#if defined(__SSE__)
  return _mm_getcsr();
#elif defined(__aarch64__)
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return (unsigned)mode;
#elif defined(__arm__)
  unsigned mode;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(mode));
  return mode & 0x07c00000;
#else
  return (unsigned)fegetround();
#endif
}

static void mode_set(int on) {
#if defined(__SSE__)
  /* Flush to zero, denormals are zero, upwards, a sticky flag; traps of invalid operations, divisions by zero,
   * overflow. */
  _mm_setcsr(on ? 0xd960 : 0x1f80);
#elif defined(__aarch64__) /* flush to zero, upwards; and for ARMv7 */
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)(on ? 0x01400000 : 0)));
#elif defined(__arm__)
  __asm__ volatile("vmsr fpscr, %0" : : "r"(on ? 0x01400000 : 0));
#else
  fesetround(on ? FE_UPWARD : FE_TONEAREST);
#endif
}

/* Every task in the mode of a thread that somebody left behind; the last ones first. */
static void DIT_CALL hostile_for(void *user, int32_t count, void(DIT_CALL *task)(void *context, int32_t index),
                                 void *context) {
  const unsigned before = mode_get();
  (void)user;
  for (int32_t i = count - 1; i >= 0; i--) {
    mode_set(1);
    const unsigned mine = mode_get();
    task(context, i);
    mode_lost += mode_get() != mine;
  }
#if defined(__SSE__)
  _mm_setcsr(before);
#elif defined(__aarch64__) || defined(__arm__)
  mode_set(before != 0);
#else
  fesetround((int)before);
#endif
}

/* ---- Cases ---- */

/* Hashes what dit-convert wrote, except for large files: emulated machines take a second for a megabyte. */
static void say_file(const char *name, const char *path) {
  static uint8_t bytes[1 << 20];
  FILE *file = fopen(path, "rb");
  const size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  if (!size) stop(path, NULL);
  fclose(file);
  if (size < sizeof bytes) say(name, "-file", bytes, 1, size);
}

static dit_model *open_synthetic(const char *name, const char *first, const char *second, int type, int32_t compute) {
  char path[512];
  dit_model *model;
  dit_error error = {0};
  dit_options options = bits_options;
  options.compute = compute;
  mode_set(0);
  if (!synthetic_file(synthetic_path(path, sizeof path, "bits"), first, second, type)) stop(first, NULL);
  say_file(name, path);
  mode_set(hostile);
  const dit_status status = dit_model_open(path, &options, &model, &error);
  remove(path); /* the mapping keeps it */
  check(status, first, &error);
  return model;
}

/* Three samples of one pass, of three times and classes. */
static void denoise(const char *name, const dit_model *model, int32_t height, int32_t width) {
  const float of_diffusion[3] = {999, 441.625f, 0}, of_flow[3] = {0.999f, 0.441625f, 0};
  dit_error error = {0};
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  const float *times = info.flow ? of_flow : of_diffusion;
  const int32_t classes[3] = {1, info.null_class < 0 ? 0 : -1, 3};
  const size_t area = (size_t)height * (size_t)width, size = 3 * (size_t)info.out_channels * area;
  float *x = numbers(0, 7, 3 * (size_t)info.latent_channels * area), *out = (float *)malloc(size * sizeof(float));
  check(forward(model, 3, height, width, x, times, classes, out, &error), name, &error);
  say(name, "", out, sizeof(float), size);
  free(x);
  free(out);
}

/* The first picture after half of the steps, as far as the model has previews. */
static void preview(const char *name, dit_job *job, const dit_info *info, const dit_params *params) {
  char part[32];
  dit_error error = {0};
  dit_progress progress = {.struct_size = sizeof progress};
  if (!info->has_preview) return;
  while (progress.step < params->steps / 2) {
    check(dit_job_advance(job, 0, &error) < 0 ? DIT_ERROR_STATE : DIT_OK, name, &error);
    dit_job_progress(job, &progress);
  }
  const size_t size =
      (size_t)(params->width / info->vae_scale_factor) * (size_t)(params->height / info->vae_scale_factor) * 4;
  uint8_t *pixels = (uint8_t *)malloc(size);
  snprintf(part, sizeof part, "-%d-preview", (int)params->classes[0]);
  check(dit_job_preview(job, 0, DIT_PIXELS_RGBA, pixels, 0, &error), name, &error);
  say(name, part, pixels, 1, size);
  free(pixels);
}

/* A whole job: a preview, the final latents, and pictures if there is a decoder. */
static void sample(const char *name, const dit_model *model, dit_params params, int pictures) {
  dit_job *job;
  dit_error error = {0};
  params.struct_size = sizeof params;
  check(dit_params_resolve(model, &params, &params, &error), name, &error);
  check(dit_job_start(model, &params, &job, &error), name, &error);
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  preview(name, job, &info, &params);
  check(dit_job_advance(job, -1, &error), name, &error);
  const size_t area = (size_t)params.width * (size_t)params.height;
  const size_t latent = area / (size_t)(info.vae_scale_factor ? info.vae_scale_factor * info.vae_scale_factor : 1) *
                        (size_t)info.latent_channels;
  float *x = (float *)malloc(latent * sizeof(float));
  uint8_t *pixels = (uint8_t *)malloc(area * 4);
  for (int32_t i = 0; i < params.count; i++) {
    char part[32];
    snprintf(part, sizeof part, "-%d-latent", (int)params.classes[i]);
    check(dit_job_latent(job, i, x, &error), name, &error);
    say(name, part, x, sizeof(float), latent);
    snprintf(part, sizeof part, "-%d-pixels", (int)params.classes[i]);
    if (pictures) check(dit_job_pixels(job, i, DIT_PIXELS_RGBA, pixels, 0, &error), name, &error);
    if (pictures) say(name, part, pixels, 1, area * 4);
  }
  free(x);
  free(pixels);
  dit_job_end(job);
}

/* The sizes fill no panel, vector or block of k. */
static void transformers(void) {
  static const struct {
    const char *name;
    int type, compute;
  } kinds[7] = {{"dit-f32", DIT_TYPE_F32, DIT_COMPUTE_F32},     {"dit-f16", DIT_TYPE_F16, DIT_COMPUTE_F32},
                {"dit-bf16", DIT_TYPE_BF16, DIT_COMPUTE_F32},   {"dit-q8-f32", DIT_TYPE_Q8, DIT_COMPUTE_F32},
                {"dit-q8-int8", DIT_TYPE_Q8, DIT_COMPUTE_INT8}, {"dit-q4-f32", DIT_TYPE_Q4, DIT_COMPUTE_F32},
                {"dit-q4-int8", DIT_TYPE_Q4, DIT_COMPUTE_INT8}};
  for (int i = 0; i < 7; i++) { /* q4 has rows of multiples of 8 */
    dit_model *model =
        open_synthetic(kinds[i].name,
                       kinds[i].type == DIT_TYPE_Q4 ? "dit:hidden=120,depth=4,heads=3,patch=2,latent=6,in=3,classes=7"
                                                    : "dit:hidden=84,depth=2,heads=3,patch=2,latent=6,in=3,classes=7",
                       NULL, kinds[i].type, kinds[i].compute);
    denoise(kinds[i].name, model, 6, 6);
    dit_model_close(model);
  }
  dit_model *model = open_synthetic(
      "dit-tokens", "dit:hidden=20,depth=1,heads=5,patch=1,latent=5,in=1,classes=4,sigma=0", NULL, DIT_TYPE_F32, 0);
  denoise("dit-tokens", model, 17, 16); /* two blocks of keys, positions of another grid than the file's */
  dit_model_close(model);
}

/* The kinds of blocks beside adaLN-Zero of DiT. */
static void blocks(void) {
  static const struct {
    const char *name, *family, *block;
  } kinds[4] = {{"adaln", "", ":adaln"},
                {"in_context", "", ":in_context"},
                {"cross_attention", "", ":cross_attention"},
                {"facm", "facm-", ""}}; /* RMS norms, SwiGLU, norms and rotation of queries and keys */
  for (int i = 0; i < 8; i++) {
    const int quantized = i / 4;
    char name[64], specification[96];
    snprintf(name, sizeof name, "%s-%s", kinds[i % 4].name, quantized ? "q8-int8" : "f32");
    snprintf(specification, sizeof specification, "%sdit:hidden=84,depth=2,heads=3,patch=2,latent=6,in=3,classes=7%s",
             kinds[i % 4].family, kinds[i % 4].block);
    dit_model *model = open_synthetic(name, specification, NULL, quantized ? DIT_TYPE_Q8 : DIT_TYPE_F32,
                                      quantized ? DIT_COMPUTE_INT8 : DIT_COMPUTE_F32);
    denoise(name, model, 6, 6);
    dit_model_close(model);
  }
}

static void autoencoders(void) {
  static const struct {
    const char *name, *geometry;
    int32_t height, width;
  } cases[2] = {{"vae-narrow", "vae:blocks=20+36,layers=2,groups=4,in=4,out=4,latent=3", 7, 5},
                {"vae-wide", "vae:blocks=12+260,layers=1,groups=4,in=3,out=3,latent=4", 2, 3}};
  dit_error error = {0};
  for (int i = 0; i < 2; i++) {
    const char *name = cases[i].name;
    const int32_t height = cases[i].height, width = cases[i].width;
    dit_model *model = open_synthetic(name, cases[i].geometry, NULL, DIT_TYPE_F16, 0);
    dit_info info = {.struct_size = sizeof info};
    dit_model_info(model, &info);
    const size_t area = (size_t)height * (size_t)width, latent = area * (size_t)info.latent_channels;
    const size_t image = area * 4 * (size_t)info.image_channels;
    float *z = numbers(0, 11, latent), *x = numbers(0, 12, image), *out = (float *)malloc(image * sizeof(float));
    float *mean = (float *)malloc(latent * sizeof(float)), *logvar = (float *)malloc(latent * sizeof(float));
    check(dit_vae_decode(model, 1, height, width, z, out, &error), name, &error);
    say(name, "-decode", out, sizeof(float), image);
    check(dit_vae_encode(model, 1, height * 2, width * 2, x, mean, logvar, &error), name, &error);
    say(name, "-mean", mean, sizeof(float), latent);
    say(name, "-logvar", logvar, sizeof(float), latent);
    free(z);
    free(x);
    free(out);
    free(mean);
    free(logvar);
    dit_model_close(model);
  }
}

static void samplers(void) {
  static const int32_t classes[3] = {2, -1, 0};
  const dit_params ddpm = {.count = 3,
                           .classes = classes,
                           .seed = 21,
                           .steps = 3,
                           .sampler = DIT_SAMPLER_DDPM,
                           .guidance_scale = 3.5f,
                           .guidance_channels = 2};
  const dit_params ddim = {.count = 2,
                           .classes = classes,
                           .seed = 5,
                           .steps = 4,
                           .sampler = DIT_SAMPLER_DDIM,
                           .eta = 0.5f,
                           .clip_sample = DIT_CLIP_ON,
                           .guidance_scale = 1.5f,
                           .guidance_channels = -1};
  dit_params small = ddpm, solver = ddim, leading = ddim, trailing = ddpm, reusing = ddim;
  reusing.steps = 7;
  reusing.cache_interval = 3;
  reusing.guidance_start = 0.2f;
  reusing.guidance_end = 1;
  small.variance_type = DIT_VARIANCE_FIXED_SMALL;
  solver.sampler = DIT_SAMPLER_DPMPP;
  leading.timestep_spacing = DIT_SPACING_LEADING;
  leading.generator = DIT_GENERATOR_PHILOX;
  trailing.timestep_spacing = DIT_SPACING_TRAILING;
  trailing.generator = DIT_GENERATOR_TORCH;
  dit_model *model = open_synthetic("job", "dit:hidden=24,depth=1,heads=2,patch=1,latent=4,in=4,classes=3",
                                    "vae:blocks=8+12,layers=1,groups=4,in=4,out=4,latent=4", DIT_TYPE_F32, 0);
  sample("job-ddpm", model, ddpm, 1);
  sample("job-ddim", model, ddim, 1);
  sample("job-dpmpp", model, solver, 1);
  sample("job-leading", model, leading, 1);
  sample("job-trailing", model, trailing, 1);
  sample("job-reuse", model, reusing, 1);
  uint8_t pictures[2][8][8][4], masks[2][8][8];
  for (size_t i = 0; i < sizeof pictures; i++) ((uint8_t *)pictures)[i] = (uint8_t)(i * i * 37 >> 3);
  for (size_t i = 0; i < sizeof masks; i++) ((uint8_t *)masks)[i] = i % 8 < 2 ? 0 : i % 11 == 0 ? 100 : 255;
  dit_params edited = ddim;
  edited.init_image = &pictures[0][0][0][0];
  edited.mask = &masks[0][0][0];
  edited.strength = 0.75f;
  sample("job-masked", model, edited, 1);
  dit_model_close(model);
  model = open_synthetic("job-fixed", "dit:hidden=24,depth=1,heads=2,patch=1,latent=4,in=3,classes=3,sigma=0", NULL,
                         DIT_TYPE_F32, 0);
  sample("job-fixed-large", model, ddpm, 0);
  sample("job-fixed-small", model, small, 0);
  dit_model_close(model);
}

static void schedules(void) {
  static const struct {
    const char *name;
    int32_t steps, spacing;
  } cases[6] = {{"schedule-250", 250, DIT_SPACING_EVEN},
                {"schedule-ddim50", 50, DIT_SPACING_DDIM},
                {"schedule-1", 1, DIT_SPACING_EVEN},
                {"schedule-leading", 50, DIT_SPACING_LEADING},
                {"schedule-trailing", 48, DIT_SPACING_TRAILING},
                {"schedule-linspace", 250, DIT_SPACING_LINSPACE}};
  dit_schedule_row rows[250];
  for (int i = 0; i < 6; i++) {
    const dit_params params = {
        .struct_size = sizeof params, .steps = cases[i].steps, .timestep_spacing = cases[i].spacing, .eta = 0.25f};
    dit_error error = {0};
    int32_t count;
    check(dit_schedule(&params, 250, rows, &count, &error), cases[i].name, &error);
    double of_diffusion[250][9]; /* the members of a row that diffusion sets */
    for (int32_t k = 0; k < count; k++) memcpy(of_diffusion[k], &rows[k], sizeof of_diffusion[k]);
    say(cases[i].name, "", of_diffusion, sizeof(double), (size_t)count * 9);
  }
  static const char *const names[3] = {"normals", "normals-torch", "normals-philox"};
  for (int32_t i = 0; i < 3; i++) {
    float *x = numbers(DIT_GENERATOR_DIT + i, 0x123456789abcdefu, 10001);
    say(names[i], "", x, sizeof(float), 10001);
    free(x);
  }
}

static dit_model *open_sprites(void) {
  dit_model *model;
  dit_error error = {0};
  check(dit_sprites_open(&bits_options, &model, &error), "sprites", &error);
  return model;
}

/* One sprite of the embedded model in so few steps that an emulated machine makes it, too. */
static void embedded(void) {
  static const int32_t classes[1] = {5};
  dit_model *model = open_sprites();
  const dit_params params = {.count = 1, .classes = classes, .seed = 9, .steps = 2, .sampler = DIT_SAMPLER_DDIM};
  sample("embedded", model, params, 1);
  dit_model_close(model);
}

/* Without `several`, the first picture alone. It must not depend on its neighbours. */
static void sprites(int several) {
  static const int32_t classes[4] = {5, 0, 11, -1};
  dit_model *model = open_sprites();
  dit_params params = {
      .count = several ? 4 : 1, .classes = classes, .seed = 2026, .steps = 10, .sampler = DIT_SAMPLER_DDIM};
  sample("sprite-ddim10", model, params, 1);
  params.count = 2;
  params.steps = 5;
  params.sampler = DIT_SAMPLER_DDPM;
  params.guidance_scale = 3;
  if (several) sample("sprite-ddpm5", model, params, 1);
  dit_model_close(model);
}

static int32_t isa_of(const char *name) {
  static const char *const names[] = {"best", "scalar", "neon", "avx2", "avx512", "avxvnni", "avx512vnni", "neondot"};
  for (int32_t i = 0; i < 8; i++)
    if (strcmp(name, names[i]) == 0) return i;
  printf("bits: no instruction set is called %s\n", name);
  exit(2);
}

int main(int argc, char **argv) {
  const char *cases = argc > 3 ? argv[3] : "small";
  if (argc < 3) return printf("bits ISA THREADS [small|sprite|all] [hostile]\n"), 2;
  bits_options.struct_size = sizeof bits_options;
  bits_options.isa = isa_of(argv[1]);
  bits_options.threads = atoi(argv[2]);
  hostile = argc > 4 && strcmp(argv[4], "hostile") == 0;
  if (hostile) bits_options.parallel_for = hostile_for;
  printf("numerics %d\n", DIT_NUMERICS);
  mode_set(hostile);
  const unsigned before = mode_get();
  schedules();
  transformers();
  blocks();
  autoencoders();
  samplers();
  embedded();
  if (strcmp(cases, "small")) sprites(strcmp(cases, "all") == 0);
  mode_lost += mode_get() != before;
  mode_set(0);
  if (mode_lost) return printf("bits: the floating-point mode was left changed %d times\n", mode_lost), 1;
  return 0;
}
