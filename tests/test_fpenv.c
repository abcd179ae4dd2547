/* Hosts with another floating-point environment (rounding, flush-to-zero, traps) and another locale.
 *
 * The test fails if any call makes other bytes in such a host than in a plain one, if the modes, the traps or the flags
 * of the caller or of a worker thread are not the same afterwards, or if the locale changes. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* feenableexcept */
#endif
#include <fenv.h>
#include <locale.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "tests/forward.h"
#include "tests/host.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/sprites/dit_sprites.h"

typedef struct mode {
  const char *name;
  int rounding, traps, flush, flags;
} mode;

static const mode modes[] = {
    {"to nearest", FE_TONEAREST, 0, 0, 0},
    {"upward", FE_UPWARD, 0, 0, 0},
    {"downward", FE_DOWNWARD, 0, 0, FE_INVALID | FE_INEXACT},
    {"toward zero", FE_TOWARDZERO, 0, 0, FE_OVERFLOW},
    {"subnormals are zero", FE_TONEAREST, 0, 1, 0},
    {"traps", FE_TONEAREST, 1, 0, 0},
    {"traps, upward, subnormals are zero", FE_UPWARD, 1, 1, 0},
};

static const mode *current;
static int worker_changes, workers;

static void mode_set(const mode *m) {
  fesetenv(FE_DFL_ENV);
  fesetround(m->rounding);
  if (m->flags) feraiseexcept(m->flags);
#if defined(__SSE__)
  if (m->flush) _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
#endif
#if defined(__GLIBC__)
  if (m->traps) feenableexcept(FE_ALL_EXCEPT);
#endif
}

/* All of the floating-point environment, flags included. */
typedef struct state {
  int rounding, flags, traps;
  unsigned control;
} state;

static state state_now(void) {
  state s = {fegetround(), fetestexcept(FE_ALL_EXCEPT), 0, 0};
#if defined(__SSE__)
  s.control = _mm_getcsr();
#endif
#if defined(__GLIBC__)
  s.traps = fegetexcept();
#endif
  return s;
}

static int state_is(const state *before) {
  const state now = state_now();
  return !memcmp(&now, before, sizeof now);
}

static void on_worker(void *user, int leaving) {
  static __thread state before;
  (void)user;
  if (!leaving) {
    mode_set(current);
    before = state_now();
    __atomic_add_fetch(&workers, 1, __ATOMIC_RELAXED);
  } else if (!state_is(&before)) {
    __atomic_add_fetch(&worker_changes, 1, __ATOMIC_RELAXED);
  }
}

/* ---- The calls ---- */

enum { PICTURE = 16 * 16 * 4, LATENT = 4 * 8 * 8 };

typedef struct results {
  uint8_t pixels[2][PICTURE], generated[2][PICTURE], edited[2][PICTURE], preview[8 * 8 * 4];
  float latent[LATENT], noise[100], out[4 * LATENT], image[PICTURE], mean[LATENT], logvar[LATENT];
  dit_schedule_row rows[10];
  dit_info info;
  dit_params params;
} results;

typedef struct inputs {
  float latent[2 * LATENT], image[PICTURE], times[2];
  int32_t classes[2], classes_b[2];
  uint8_t start[2 * PICTURE], mask[2 * PICTURE / 4];
} inputs;

static uint8_t *bytes;
static size_t size;
static state before_call;
static int changes;

/* Evaluates a call, and notes where it changes the environment. There is no arithmetic here, for traps may be on. */
#define CALL(call)                                                        \
  do {                                                                    \
    call;                                                                 \
    if (!state_is(&before_call)) {                                        \
      changes++;                                                          \
      fesetenv(FE_DFL_ENV);                                               \
      printf("  the mode '%s' is changed by %s\n", current->name, #call); \
      mode_set(current);                                                  \
    }                                                                     \
  } while (0)

static void calls_of_job(const dit_model *model, const inputs *in, results *r) {
  dit_params p;
  dit_job *job = NULL;
  dit_progress progress;
  size_t memory = 0;
  dit_profile_row profile[64];
  int32_t rows = 0;
  memset(&p, 0, sizeof p);
  p.struct_size = sizeof p;
  p.count = 2;
  p.classes = in->classes;
  p.classes_b = in->classes_b;
  p.class_mix = 0.25f;
  p.steps = 4;
  p.guidance_scale = 2;
  p.guidance_end = 0.8f;
  p.sampler = DIT_SAMPLER_DDIM;
  p.eta = 0.7f;
  memset(&r->params, 0, sizeof r->params);
  r->params.struct_size = sizeof r->params;
  CALL(dit_params_resolve(model, &p, &r->params, NULL));
  r->params.classes = r->params.classes_b = NULL; /* addresses differ */
  CALL(dit_job_memory(model, &p, &memory, NULL));
  CALL(dit_job_start(model, &p, &job, NULL));
  memset(&progress, 0, sizeof progress);
  progress.struct_size = sizeof progress;
  CALL(dit_job_advance(job, 0, NULL));
  CALL(dit_job_progress(job, &progress));
  CALL(dit_job_advance(job, 300, NULL));
  CALL(dit_job_progress(job, &progress));
  CALL(dit_job_advance(job, -1, NULL));
  CALL(dit_job_progress(job, &progress));
  CALL(dit_job_profile(job, 64, profile, &rows, NULL));
  for (int32_t i = 0; i < 2; i++) CALL(dit_job_pixels(job, i, DIT_PIXELS_RGBA_PREMULTIPLIED, r->pixels[i], 0, NULL));
  CALL(dit_job_latent(job, 1, r->latent, NULL));
  CALL(dit_job_end(job));
  CALL(dit_generate(model, &p, DIT_PIXELS_NATIVE, r->generated[0], sizeof r->generated, NULL));
  p.init_image = in->start;
  p.mask = in->mask;
  p.strength = 0.7f;
  CALL(dit_generate(model, &p, DIT_PIXELS_NATIVE, r->edited[0], sizeof r->edited, NULL));
}

static void calls_of_parts(const dit_model *model, const inputs *in, results *r) {
  dit_rng *rng = NULL;
  dit_params p;
  int32_t count = 0;
  static const float nan_time[2] = {__builtin_nanf(""), 3};
  memset(&p, 0, sizeof p);
  p.struct_size = sizeof p;
  p.steps = 10;
  p.eta = 0.3f;
  CALL(forward(model, 2, 8, 8, in->latent, in->times, in->classes, r->out, NULL));
  CALL(forward(model, 2, 8, 8, in->latent, nan_time, in->classes, r->out, NULL)); /* refused */
  CALL(dit_vae_decode(model, 1, 8, 8, in->latent, r->image, NULL));
  CALL(dit_vae_encode(model, 1, 16, 16, in->image, r->mean, r->logvar, NULL));
  CALL(dit_schedule(&p, 10, r->rows, &count, NULL));
  memcpy(&p.eta, &nan_time[0], sizeof p.eta);
  CALL(dit_schedule(&p, 10, r->rows, &count, NULL)); /* refused */
  CALL(dit_params_resolve(model, &p, &p, NULL));     /* likewise */
  CALL(dit_rng_open(0, 12, &rng, NULL));
  CALL(dit_rng_normal(rng, 100, r->noise));
  CALL(dit_rng_close(rng));
}

/* Makes all the calls in one environment. */
static void calls(const mode *m, const dit_options *options, const inputs *in, results *r) {
  dit_model *model = NULL;
  memset(r, 0, sizeof *r);
  current = m;
  mode_set(m);
  before_call = state_now();
  CALL(dit_model_open_memory(bytes, size, options, &model, NULL));
  r->info.struct_size = sizeof r->info;
  CALL(dit_model_info(model, &r->info));
  calls_of_job(model, in, r);
  calls_of_parts(model, in, r);
  CALL(dit_model_close(model));
  fesetenv(FE_DFL_ENV);
}

/* Makes a preview with the embedded model, and its first picture. */
static void preview(const mode *m, const dit_model *model, results *r) {
  const int32_t class_id = 4;
  dit_job *job = NULL;
  dit_params p;
  memset(&p, 0, sizeof p);
  p.struct_size = sizeof p;
  p.classes = &class_id;
  p.steps = 1;
  current = m;
  mode_set(m);
  before_call = state_now();
  CALL(dit_job_start(model, &p, &job, NULL));
  CALL(dit_job_advance(job, -1, NULL));
  CALL(dit_job_preview(job, 0, DIT_PIXELS_RGBA, r->preview, 0, NULL));
  CALL(dit_job_end(job));
  fesetenv(FE_DFL_ENV);
}

static void make_inputs(inputs *in) {
  uint32_t word = 12345;
  memset(in, 0, sizeof *in);
  for (int i = 0; i < 2 * LATENT + PICTURE; i++) {
    word = word * 1664525 + 1013904223;
    const float value = (float)(int32_t)word / 1e9f;
    if (i < 2 * LATENT)
      in->latent[i] = value;
    else
      in->image[i - 2 * LATENT] = value / 3;
  }
  for (int i = 0; i < LATENT; i += 3) in->latent[i] *= 1e-39f; /* subnormal */
  for (int i = 0; i < 2 * PICTURE; i++) in->start[i] = (uint8_t)(i * 2654435761u >> 24);
  for (int i = 0; i < PICTURE / 2; i++) in->mask[i] = i % 16 < 7 ? 0 : 255;
  in->times[0] = 0;
  in->times[1] = 999;
  in->classes[1] = 3;
  in->classes_b[0] = 2;
}

/* Makes all the calls in environment m, with a hook or without, and compares the results with `plain`. */
static void test_mode(const mode *m, int hook, const inputs *in, const results *plain) {
  static results r;
  static host h;
  dit_options options;
  memset(&options, 0, sizeof options);
  memset(&h, 0, sizeof h);
  options.struct_size = sizeof options;
  options.threads = hook ? 3 : 1;
  options.user = &h;
  options.parallel_for = hook ? host_threads : NULL;
  h.on_worker = on_worker;
  changes = worker_changes = 0;
  calls(m, &options, in, &r);
  r.info.threads = plain->info.threads;
  r.params.threads = plain->params.threads;
  memcpy(r.preview, plain->preview, sizeof r.preview);
  CHECK(!changes, "'%s': %d calls change the caller's mode or flags", m->name, changes);
  CHECK(!worker_changes, "'%s': %d tasks change a worker's mode or flags", m->name, worker_changes);
  CHECK(!memcmp(r.pixels, plain->pixels, sizeof r.pixels) && !memcmp(r.generated, plain->generated, sizeof r.generated),
        "'%s': other pictures", m->name);
  CHECK(!memcmp(r.edited, plain->edited, sizeof r.edited), "'%s': other pictures from a start picture", m->name);
  CHECK(!memcmp(r.latent, plain->latent, sizeof r.latent), "'%s': another latent", m->name);
  CHECK(!memcmp(r.out, plain->out, sizeof r.out), "'%s': dit_forward", m->name);
  CHECK(!memcmp(r.image, plain->image, sizeof r.image), "'%s': dit_vae_decode", m->name);
  CHECK(!memcmp(r.mean, plain->mean, sizeof r.mean) && !memcmp(r.logvar, plain->logvar, sizeof r.logvar),
        "'%s': dit_vae_encode", m->name);
  CHECK(!memcmp(r.rows, plain->rows, sizeof r.rows), "'%s': dit_schedule", m->name);
  CHECK(!memcmp(r.noise, plain->noise, sizeof r.noise), "'%s': dit_rng_normal", m->name);
  CHECK(!memcmp(&r.info, &plain->info, sizeof r.info), "'%s': dit_model_info", m->name);
  CHECK(!memcmp(&r.params, &plain->params, sizeof r.params), "'%s': dit_params_resolve", m->name);
}

static void test_modes(void) {
  static inputs in;
  static results plain, other;
  dit_options options;
  dit_model *sprites;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.threads = 1;
  make_inputs(&in);
  CHECK(dit_sprites_open(&options, &sprites, NULL) == DIT_OK, "dit_sprites_open");
  calls(&modes[0], &options, &in, &plain);
  preview(&modes[0], sprites, &plain);
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
    test_mode(&modes[i], 0, &in, &plain);
    test_mode(&modes[i], 1, &in, &plain);
    preview(&modes[i], sprites, &other);
    CHECK(!memcmp(other.preview, plain.preview, sizeof plain.preview), "'%s': another preview", modes[i].name);
  }
  CHECK(workers > 0, "no worker ever ran");
  dit_model_close(sprites);
#if !defined(__SSE__)
  SKIP("flushing subnormals is set on x86 only");
#endif
#if !defined(__GLIBC__)
  SKIP("traps are enabled with glibc only");
#endif
}

/* ---- The locale ---- */

static void test_locale(void) {
  static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8",
                                       "de_DE",       "fr_FR",      "nl_NL.UTF-8", "ru_RU.UTF-8"};
  static inputs in;
  static results r, s;
  dit_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.threads = 1;
  make_inputs(&in);
  calls(&modes[0], &options, &in, &r);
  const char *now = NULL;
  for (size_t i = 0; i < sizeof commas / sizeof commas[0] && !now; i++) now = setlocale(LC_ALL, commas[i]);
  if (!now) {
    SKIP("no locale with a decimal comma is installed");
    now = setlocale(LC_ALL, "");
  }
  char name[256];
  snprintf(name, sizeof name, "%s", now ? now : "C");
  calls(&modes[0], &options, &in, &s);
  CHECK(!memcmp(&r, &s, sizeof r), "another locale makes other results");
  CHECK(!strcmp(setlocale(LC_ALL, NULL), name), "the locale %s became %s", name, setlocale(LC_ALL, NULL));
  setlocale(LC_ALL, "C");
}

int main(void) {
  char path[512];
  if (CHECK(synthetic_file(synthetic_path(path, sizeof path, "environment"),
                           "dit:hidden=48,depth=2,heads=2,patch=2,latent=8,in=4,classes=6",
                           "vae:blocks=8+16,layers=1,groups=4,in=4,out=4,latent=4", DIT_TYPE_F16),
            "no model"))
    bytes = npy_load(path, &size);
  remove(path);
  if (CHECK(bytes, "no model")) {
    test_modes();
    test_locale();
  }
  free(bytes);
  return test_end("test_fpenv");
}
