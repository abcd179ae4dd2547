/* Arguments: each argument of each public function is wrong in turn, and structs come from older and newer hosts.
 *
 * The test fails if a wrong argument is accepted, is refused with another code or without its name, or changes an
 * output; if a struct is read or written beyond its struct_size; if a message is not a sentence; or if NULL crashes. */
#include <math.h>

#include "tests/forward.h"
#include "tests/host.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"

enum { SIDE = 16, PICTURE = SIDE * SIDE * 4, LATENT = 4 * 8 * 8 };

static uint8_t *bytes;
static size_t size;
static dit_model *tiny;
static char path[512];

/* The call is refused with this code and a sentence that has the word. Uses `error`. */
#define REFUSED(code, word, call)                                                                    \
  do {                                                                                               \
    memset(&error, 0x77, sizeof error);                                                              \
    const dit_status status_ = (call);                                                               \
    CHECK(status_ == (code), "%s: %s", #call, dit_status_name(status_));                             \
    if (status_ == (code))                                                                           \
      CHECK(error.status == status_ && host_sentence(&error) && strstr(error.message, word) != NULL, \
            "%s: '%.200s' does not name %s", #call, error.message, word);                            \
  } while (0)

/* ---- Structs ---- */

/* A struct of `size` bytes followed by guards, at the end of a block. */
static void *guarded(const void *from, size_t own, size_t all, uint8_t tail) {
  uint8_t *block = (uint8_t *)malloc(all);
  memset(block, tail, all);
  memcpy(block, from, own < all ? own : all);
  const uint32_t struct_size = (uint32_t)all;
  if (all >= 4) memcpy(block, &struct_size, 4);
  return block;
}

static dit_status try_options(const dit_options *options, dit_error *error) {
  dit_model *opened = NULL;
  const dit_status status = dit_model_open_memory(bytes, size, options, &opened, error);
  CHECK(!status == (opened != NULL), "dit_model_open_memory: status %d and %s model", status, opened ? "a" : "no");
  dit_model_close(opened);
  return status;
}

static dit_status try_params(const dit_params *params, dit_error *error) {
  dit_params out;
  size_t memory = 77;
  dit_job *job = NULL;
  uint8_t pixels[PICTURE * 2], before[sizeof pixels];
  memset(&out, 0x55, sizeof out);
  out.struct_size = sizeof out;
  dit_params kept = out;
  memset(pixels, 0x44, sizeof pixels);
  memcpy(before, pixels, sizeof before);
  const dit_status status = dit_params_resolve(tiny, params, &out, error),
                   measured = dit_job_memory(tiny, params, &memory, NULL);
  CHECK(status == measured && (status || memory != 77), "dit_job_memory: %d, dit_params_resolve: %d", measured, status);
  if (status) {
    CHECK(!memcmp(&out, &kept, sizeof out) && memory == 77, "a refusal changes the output");
    job = (dit_job *)pixels;
    CHECK(dit_job_start(tiny, params, &job, NULL) == status && !job,
          "dit_job_start does not refuse what dit_params_resolve refuses");
    CHECK(
        dit_generate(tiny, params, 0, pixels, sizeof pixels, NULL) == status && !memcmp(pixels, before, sizeof before),
        "dit_generate does not refuse what dit_params_resolve refuses, or writes");
  }
  return status;
}

static dit_status try_schedule(const dit_params *params, dit_error *error) {
  int32_t count = -5;
  const dit_status status = dit_schedule(params, 0, NULL, &count, error);
  CHECK(status ? count == -5 : count > 0, "dit_schedule: status %d, count %d", status, count);
  return status;
}

/* The sizes that a host may have been compiled with, up to larger ones whose end is zero. */
static void test_input_struct(const void *whole, size_t own, const char *name,
                              dit_status (*call)(const void *, dit_error *)) {
  dit_error error;
  for (size_t all = 0; all <= own + 64; all += all < 4 ? 1 : all == 4 ? 4 : 8) {
    void *block = guarded(whole, own, all < 4 ? 4 : all, 0);
    const uint32_t struct_size = (uint32_t)all;
    memcpy(block, &struct_size, 4);
    memset(&error, 0, sizeof error);
    const dit_status status = call(block, &error);
    if (all < 4)
      CHECK(status == DIT_ERROR_ARGUMENT && host_sentence(&error) && strstr(error.message, "struct_size"),
            "%s of %d bytes: %d", name, (int)all, status);
    else
      CHECK(status == DIT_OK, "%s of %d bytes: %s", name, (int)all, error.message);
    if (all > own) {
      ((uint8_t *)block)[all - 1] = 1;
      memset(&error, 0, sizeof error);
      CHECK(call(block, &error) == DIT_ERROR_UNSUPPORTED && host_sentence(&error) && strstr(error.message, name),
            "%s: an unknown member is set: '%s'", name, error.message);
    }
    free(block);
  }
  uint8_t *block = (uint8_t *)guarded(whole, own, own, 0);
  const uint32_t random[] = {0xffffffff, 0xa5a5a5a5, 0x7fff1234};
  for (int i = 0; i < 3; i++) { /* the host never set it */
    memcpy(block, &random[i], 4);
    memset(&error, 0, sizeof error);
    CHECK(call(block, &error) == DIT_ERROR_ARGUMENT && strstr(error.message, "struct_size"),
          "%s with a struct_size of %u", name, (unsigned)random[i]);
  }
  free(block);
}

static dit_status call_options(const void *options, dit_error *error) {
  return try_options((const dit_options *)options, error);
}
static dit_status call_params(const void *params, dit_error *error) {
  return try_params((const dit_params *)params, error);
}
static dit_status call_schedule(const void *params, dit_error *error) {
  return try_schedule((const dit_params *)params, error);
}

static dit_status fill_info(void *out) { return dit_model_info(tiny, (dit_info *)out); }
static dit_status fill_params(void *out) { return dit_params_resolve(tiny, NULL, (dit_params *)out, NULL); }
static dit_job *progress_job;
static dit_status fill_progress(void *out) { return dit_job_progress(progress_job, (dit_progress *)out); }

/* No byte is written beyond struct_size, and the others are the same at any size. */
static void test_output_struct(size_t own, const char *name, dit_status (*fill)(void *)) {
  uint8_t *whole = (uint8_t *)calloc(1, own + 64);
  uint32_t struct_size = (uint32_t)own;
  memcpy(whole, &struct_size, 4);
  CHECK(fill(whole) == DIT_OK, "%s", name);
  for (size_t all = 0; all <= own + 32; all++) {
    uint8_t *block = (uint8_t *)malloc(own + 64);
    memset(block, 0xd5, own + 64);
    struct_size = (uint32_t)all;
    memcpy(block, &struct_size, 4);
    const dit_status status = fill(block);
    CHECK(status == (all < 4 ? DIT_ERROR_ARGUMENT : DIT_OK), "%s of %d bytes: %d", name, (int)all, status);
    const size_t filled = all < 4 ? 4 : all < own ? all : own;
    int wrong = memcmp(block, &struct_size, 4) || (filled > 4 && memcmp(block + 4, whole + 4, filled - 4));
    for (size_t i = filled; i < own + 64; i++) wrong |= block[i] != 0xd5;
    CHECK(!wrong, "%s of %d bytes: bytes beyond it are written, or others than with all of it", name, (int)all);
    free(block);
  }
  CHECK(fill(NULL) == DIT_ERROR_ARGUMENT, "%s NULL", name);
  free(whole);
}

static void test_structs(void) {
  const int32_t class_id = 1;
  const dit_options options = {.struct_size = sizeof options, .threads = 1};
  const dit_params params = {.struct_size = sizeof params, .classes = &class_id, .steps = 4};
  test_input_struct(&options, sizeof options, "dit_options", call_options);
  test_input_struct(&params, sizeof params, "dit_params", call_params);
  const dit_params plain = {.struct_size = sizeof plain, .steps = 4};
  test_input_struct(&plain, sizeof plain, "dit_params", call_schedule);
  dit_error error;
  CHECK(
      try_options(NULL, &error) == DIT_OK && try_params(NULL, &error) == DIT_OK && try_schedule(NULL, &error) == DIT_OK,
      "structs NULL");
  CHECK(dit_job_start(tiny, &params, &progress_job, NULL) == DIT_OK, "dit_job_start");
  test_output_struct(sizeof(dit_info), "dit_info", fill_info);
  test_output_struct(sizeof(dit_params), "dit_params", fill_params);
  test_output_struct(sizeof(dit_progress), "dit_progress", fill_progress);
  dit_job_end(progress_job);
  dit_params same = params; /* out may be params */
  CHECK(dit_params_resolve(tiny, &same, &same, NULL) == DIT_OK && same.steps == 4 && same.width == SIDE &&
            same.height == SIDE && same.count == 1 && same.sampler && same.timestep_spacing && same.generator &&
            same.variance_type && same.clip_sample && same.guidance_channels && same.threads &&
            same.guidance_scale > 0 && same.guidance_end == 1 && same.strength == 1 && same.classes == &class_id,
        "dit_params_resolve in place leaves something open");
  dit_params again = {.struct_size = sizeof again};
  CHECK(dit_params_resolve(tiny, &same, &again, NULL) == DIT_OK && !memcmp(&same, &again, sizeof same),
        "what is resolved resolves to something else");
}

/* ---- dit_options ---- */

static void *DIT_CALL allocate_nothing(void *user, size_t wanted, size_t alignment) {
  (void)user;
  (void)wanted;
  (void)alignment;
  return NULL;
}
static void DIT_CALL release_nothing(void *user, void *block, size_t given) {
  (void)user;
  (void)block;
  (void)given;
}

static void test_options(void) {
  dit_error error;
  const dit_options good = {.struct_size = sizeof good, .threads = 1};
  dit_options o;
  static const int32_t bad_threads[] = {-1, 1025, INT32_MIN, INT32_MAX}, bad[] = {-1, 99, INT32_MIN, INT32_MAX};
  for (int i = 0; i < 4; i++) {
    o = good;
    o.threads = bad_threads[i];
    REFUSED(DIT_ERROR_ARGUMENT, "threads", try_options(&o, &error));
    o = good;
    o.isa = bad[i];
    REFUSED(DIT_ERROR_ARGUMENT, "isa", try_options(&o, &error));
    o = good;
    o.compute = bad[i];
    REFUSED(DIT_ERROR_ARGUMENT, "compute", try_options(&o, &error));
    o = good;
    o.load = bad[i];
    REFUSED(DIT_ERROR_ARGUMENT, "load", try_options(&o, &error));
    o = good;
    o.reserved = bad[i];
    REFUSED(DIT_ERROR_ARGUMENT, "reserved", try_options(&o, &error));
  }
  o = good;
  o.compute = DIT_COMPUTE_BF16;
  o.isa = DIT_ISA_SCALAR;
  REFUSED(DIT_ERROR_UNSUPPORTED, "bf16", try_options(&o, &error));
  o = good;
  o.compute = DIT_COMPUTE_INT8; /* the model is f32 */
  REFUSED(DIT_ERROR_UNSUPPORTED, "q8", try_options(&o, &error));
#if defined(__x86_64__) || defined(__i386__)
  o = good;
  o.isa = DIT_ISA_NEON;
#else
  o = good;
  o.isa = DIT_ISA_AVX2;
#endif
  REFUSED(DIT_ERROR_UNSUPPORTED, "isa", try_options(&o, &error));
  o = good;
  o.allocate = allocate_nothing;
  REFUSED(DIT_ERROR_ARGUMENT, "release", try_options(&o, &error));
  o.release = release_nothing;
  REFUSED(DIT_ERROR_MEMORY, "memory", try_options(&o, &error));
  o.allocate = NULL;
  REFUSED(DIT_ERROR_ARGUMENT, "allocate", try_options(&o, &error));
}

/* ---- Opening ---- */

static void test_open(void) {
  dit_error error;
  dit_model *opened = tiny;
  const dit_options small = {.struct_size = 2};
  REFUSED(DIT_ERROR_ARGUMENT, "path", dit_model_open(NULL, NULL, &opened, &error));
  CHECK(!opened, "a model after a failure");
  REFUSED(DIT_ERROR_ARGUMENT, "model", dit_model_open(path, NULL, NULL, &error));
  opened = tiny;
  REFUSED(DIT_ERROR_ARGUMENT, "struct_size", dit_model_open(path, &small, &opened, &error));
  CHECK(!opened, "a model after a failure");
  opened = tiny;
  REFUSED(DIT_ERROR_ARGUMENT, "data", dit_model_open_memory(NULL, 100, NULL, &opened, &error));
  CHECK(!opened, "a model after a failure");
  REFUSED(DIT_ERROR_ARGUMENT, "model", dit_model_open_memory(bytes, size, NULL, NULL, &error));
  REFUSED(DIT_ERROR_FORMAT, "", dit_model_open_memory(bytes, 0, NULL, &opened, &error));
  CHECK(dit_model_open_memory(bytes, 3, NULL, &opened, NULL) == DIT_ERROR_FORMAT && !opened,
        "three bytes, without a dit_error");
  static const char *const absent[] = {
      "", "/no/such/file", "no such\nfile\t\x01", "\xc3\xa9\xe2\x82\xac/\xf0\x9f\x98\x80", "\xff\xfe\xc3", "100%s%n%d"};
  for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
    opened = tiny;
    REFUSED(DIT_ERROR_IO, i == 1 ? "/no/such/file" : "", dit_model_open(absent[i], NULL, &opened, &error));
    CHECK(!opened, "a model after a failure");
  }
  for (int shift = 0; shift < 6; shift++) { /* the message is cut at each byte of a character */
    char name[2048] = "aaaaaa";
    name[shift] = 0;
    while (strlen(name) < (shift % 2 ? 1200 : 230)) strcat(name, "\xe2\x82\xac");
    REFUSED(DIT_ERROR_IO, "", dit_model_open(name, NULL, &opened, &error));
  }
  REFUSED(DIT_ERROR_IO, "", dit_model_open("/", NULL, &opened, &error)); /* a folder */
#if !defined(_WIN32)
  REFUSED(DIT_ERROR_IO, "/dev/null", dit_model_open("/dev/null", NULL, &opened, &error));
#endif
  FILE *empty = fopen(path, "wb");
  if (empty) fclose(empty);
  REFUSED(DIT_ERROR_FORMAT, path, dit_model_open(path, NULL, &opened, &error));
  remove(path);
}

/* ---- dit_params ---- */

#define BAD(member, value, code, word)           \
  do {                                           \
    p = good;                                    \
    p.member = (value);                          \
    REFUSED(code, word, try_params(&p, &error)); \
  } while (0)

static void test_params(void) {
  dit_error error;
  static const int32_t classes[2] = {5, -1}, wrong[][2] = {{7, 0}, {0, -2}, {0, INT32_MAX}, {INT32_MIN, 0}, {1, 1000}};
  static const uint8_t image[2 * PICTURE] = {0};
  const dit_params good = {.struct_size = sizeof good, .count = 2, .classes = classes, .steps = 5};
  dit_params p;
  static const int32_t far[] = {-1, INT32_MIN, INT32_MAX, 65537};
  static const float reals[] = {-0.001f, NAN, INFINITY, -INFINITY, 1e6f};
  CHECK(try_params(&good, &error) == DIT_OK, "%s", error.message);
  for (int i = 0; i < 4; i++) {
    BAD(count, far[i], DIT_ERROR_ARGUMENT, "count");
    BAD(steps, far[i], DIT_ERROR_ARGUMENT, "steps");
    BAD(sampler, far[i], DIT_ERROR_ARGUMENT, "sampler");
    BAD(timestep_spacing, far[i], DIT_ERROR_ARGUMENT, "timestep_spacing");
    BAD(generator, far[i], DIT_ERROR_ARGUMENT, "generator");
    BAD(variance_type, far[i], DIT_ERROR_ARGUMENT, "variance");
    BAD(clip_sample, far[i], DIT_ERROR_ARGUMENT, "clip_sample");
    BAD(threads, far[i], DIT_ERROR_ARGUMENT, "threads");
    BAD(width, far[i], DIT_ERROR_ARGUMENT, "width");
    BAD(height, far[i], DIT_ERROR_ARGUMENT, "height");
    if (far[i] != -1) BAD(guidance_channels, far[i], DIT_ERROR_ARGUMENT, "guidance_channels");
  }
  for (int i = 0; i < 5; i++) {
    BAD(guidance_scale, reals[i], DIT_ERROR_ARGUMENT, "guidance");
    BAD(guidance_start, reals[i], DIT_ERROR_ARGUMENT, "guidance_start");
    BAD(guidance_end, reals[i], DIT_ERROR_ARGUMENT, "guidance_end");
    BAD(eta, reals[i], DIT_ERROR_ARGUMENT, "eta");
    BAD(class_mix, reals[i], DIT_ERROR_ARGUMENT, "class_mix");
    p = good;
    p.init_image = image;
    p.strength = reals[i];
    REFUSED(DIT_ERROR_ARGUMENT, "strength", try_params(&p, &error));
    BAD(reserved, reals[i], DIT_ERROR_ARGUMENT, "reserved");
    BAD(timestep_shift, reals[i], DIT_ERROR_ARGUMENT, "timestep_shift");
    BAD(classes, wrong[i], DIT_ERROR_ARGUMENT, "classes");
    BAD(classes_b, wrong[i], DIT_ERROR_ARGUMENT, "classes_b");
  }
  BAD(guidance_channels, 5, DIT_ERROR_ARGUMENT, "guidance_channels");
  const int32_t misspelt[2] = {0, dit_model_find_class(tiny, "red aple")};
  BAD(classes, misspelt, DIT_ERROR_ARGUMENT,
      "dit_params: classes[1] is -2: dit_model_find_class returns -2 for a name");
  BAD(classes_b, misspelt, DIT_ERROR_ARGUMENT, "dit_params: classes_b[1] is -2: dit_model_find_class returns -2");
  BAD(guidance_channels, -2, DIT_ERROR_ARGUMENT, "guidance_channels");
  BAD(steps, 1001, DIT_ERROR_ARGUMENT, "steps");
  BAD(width, 18, DIT_ERROR_ARGUMENT, "width");
  BAD(height, 17, DIT_ERROR_ARGUMENT, "height");
  BAD(width, 2, DIT_ERROR_ARGUMENT, "width");
  BAD(width, 65536, DIT_ERROR_ARGUMENT, "width");
  BAD(mask, image, DIT_ERROR_ARGUMENT, "mask");
  BAD(strength, 0.5f, DIT_ERROR_ARGUMENT, "strength");
  p = good;
  p.guidance_start = 0.6f;
  p.guidance_end = 0.4f;
  REFUSED(DIT_ERROR_ARGUMENT, "guidance_start", try_params(&p, &error));
  p = good;
  p.steps = 300;
  p.timestep_spacing = DIT_SPACING_DDIM; /* no integer stride exists */
  REFUSED(DIT_ERROR_ARGUMENT, "steps", try_params(&p, &error));
  p = good;
  p.classes = NULL;
  p.classes_b = classes;
  REFUSED(DIT_ERROR_ARGUMENT, "classes_b", try_params(&p, &error));
  p = good;
  dit_params out = {.struct_size = sizeof out};
  size_t memory = 77;
  dit_job *job = (dit_job *)&p;
  REFUSED(DIT_ERROR_ARGUMENT, "model", dit_params_resolve(NULL, &p, &out, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "NULL", dit_params_resolve(tiny, &p, NULL, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "model", dit_job_memory(NULL, &p, &memory, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "bytes", dit_job_memory(tiny, &p, NULL, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "model", dit_job_start(NULL, &p, &job, &error));
  CHECK(!job && memory == 77, "outputs of refused calls");
  REFUSED(DIT_ERROR_ARGUMENT, "job", dit_job_start(tiny, &p, NULL, &error));
}

/* ---- Jobs ---- */

static void test_jobs(void) {
  dit_error error;
  const dit_params p = {.struct_size = sizeof p, .steps = 2, .count = 2};
  uint8_t pixels[2 * PICTURE], untouched[2 * PICTURE];
  float latent[LATENT], same[LATENT];
  dit_progress progress = {.struct_size = sizeof progress};
  dit_job *job;
  memset(pixels, 0x66, sizeof pixels);
  memcpy(untouched, pixels, sizeof pixels);
  memset(latent, 0x66, sizeof latent);
  memcpy(same, latent, sizeof latent);
  if (!CHECK(dit_job_start(tiny, &p, &job, &error) == DIT_OK, "%s", error.message)) return;
  REFUSED(DIT_ERROR_STATE, "ready", dit_job_pixels(job, 0, 0, pixels, 0, &error));
  REFUSED(DIT_ERROR_STATE, "job", dit_job_advance(NULL, 0, &error));
  CHECK(dit_job_advance(job, INT64_MIN, NULL) == DIT_OK && dit_job_advance(job, INT64_MAX, NULL) == DIT_OK,
        "budgets at the ends of the range");
  static const int32_t pictures[] = {-1, 2, INT32_MIN, INT32_MAX}, formats[] = {-1, 5, INT32_MIN, INT32_MAX};
  for (int i = 0; i < 4; i++) {
    REFUSED(DIT_ERROR_ARGUMENT, "picture", dit_job_pixels(job, pictures[i], 0, pixels, 0, &error));
    REFUSED(DIT_ERROR_ARGUMENT, "picture", dit_job_latent(job, pictures[i], latent, &error));
    REFUSED(DIT_ERROR_ARGUMENT, "format", dit_job_pixels(job, 0, formats[i], pixels, 0, &error));
    REFUSED(DIT_ERROR_ARGUMENT, "format", dit_generate(tiny, &p, formats[i], pixels, sizeof pixels, &error));
  }
  REFUSED(DIT_ERROR_ARGUMENT, "pixels", dit_job_pixels(job, 0, 0, NULL, 0, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "stride", dit_job_pixels(job, 0, 0, pixels, SIDE * 4 - 1, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "stride", dit_job_pixels(job, 0, DIT_PIXELS_RGB, pixels, 1, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "latent", dit_job_latent(job, 0, NULL, &error));
  REFUSED(DIT_ERROR_STATE, "job", dit_job_pixels(NULL, 0, 0, pixels, 0, &error));
  REFUSED(DIT_ERROR_STATE, "job", dit_job_preview(NULL, 0, 0, pixels, 0, &error));
  REFUSED(DIT_ERROR_STATE, "job", dit_job_latent(NULL, 0, latent, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "model", dit_generate(NULL, &p, 0, pixels, sizeof pixels, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "pixels", dit_generate(tiny, &p, 0, NULL, sizeof pixels, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "size", dit_generate(tiny, &p, 0, pixels, 2 * PICTURE - 1, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "size", dit_generate(tiny, &p, DIT_PIXELS_RGB, pixels, 0, &error));
  CHECK(!memcmp(pixels, untouched, sizeof pixels) && !memcmp(latent, same, sizeof latent),
        "a refusal changes the output");
  dit_profile_row rows[2] = {{"x", 5, 5, 5}, {"x", 5, 5, 5}};
  int32_t count = -5;
  REFUSED(DIT_ERROR_ARGUMENT, "job", dit_job_profile(NULL, 2, rows, &count, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "count", dit_job_profile(job, 2, rows, NULL, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "rows", dit_job_profile(job, 2, NULL, &count, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "capacity", dit_job_profile(job, -1, rows, &count, &error));
  CHECK(count == -5 && rows[0].units == 5, "a refusal changes the output");
  CHECK(dit_job_profile(job, 0, NULL, &count, NULL) == DIT_OK && count > 1, "dit_job_profile: %d rows", count);
  CHECK(dit_job_profile(job, 1, rows, &count, NULL) == DIT_OK && rows[0].name && *rows[0].name &&
            rows[0].seconds >= 0 && rows[1].units == 5,
        "dit_job_profile of one row");
  CHECK(dit_job_progress(NULL, &progress) == DIT_ERROR_ARGUMENT && dit_job_progress(job, NULL) == DIT_ERROR_ARGUMENT &&
            progress.units_total == 0,
        "dit_job_progress");
  CHECK(dit_job_pixels(job, 0, 9, pixels, 0, NULL) == DIT_ERROR_ARGUMENT &&
            dit_job_latent(job, 9, latent, NULL) == DIT_ERROR_ARGUMENT,
        "without a dit_error");
  dit_job_end(job);
  dit_job_end(NULL);
  dit_job_cancel(NULL);
}

/* ---- Single passes ---- */

static void test_forward(void) {
  dit_error error;
  float x[2 * LATENT] = {0}, out[4 * LATENT], same[4 * LATENT], t[2] = {0, 999};
  int32_t classes[2] = {0, -1};
  memset(out, 0x66, sizeof out);
  memcpy(same, out, sizeof out);
  static const int32_t counts[] = {0, -1, 65537, INT32_MIN}, sides[] = {0, -8, 7, 1026, INT32_MAX};
  static const float times[] = {-1, 1000.5f, NAN, INFINITY, -INFINITY};
  static const int32_t wrong[] = {-2, 7, INT32_MIN, INT32_MAX};
  for (int i = 0; i < 4; i++)
    REFUSED(DIT_ERROR_ARGUMENT, "count", forward(tiny, counts[i], 8, 8, x, t, classes, out, &error));
  for (int i = 0; i < 5; i++) {
    REFUSED(DIT_ERROR_ARGUMENT, "height", forward(tiny, 2, sides[i], 8, x, t, classes, out, &error));
    REFUSED(DIT_ERROR_ARGUMENT, "width", forward(tiny, 2, 8, sides[i], x, t, classes, out, &error));
    t[1] = times[i];
    REFUSED(DIT_ERROR_ARGUMENT, "timesteps[1]", forward(tiny, 2, 8, 8, x, t, classes, out, &error));
    t[1] = 999;
  }
  for (int i = 0; i < 4; i++) {
    classes[1] = wrong[i];
    REFUSED(DIT_ERROR_ARGUMENT, "classes[1]", forward(tiny, 2, 8, 8, x, t, classes, out, &error));
  }
  classes[1] = dit_model_find_class(tiny, "red aple");
  REFUSED(DIT_ERROR_ARGUMENT, "dit_forward: classes[1] is -2: dit_model_find_class returns -2 for a name",
          forward(tiny, 2, 8, 8, x, t, classes, out, &error));
  classes[1] = -1;
  REFUSED(DIT_ERROR_ARGUMENT, "count", forward(tiny, 65536, 1024, 1024, x, t, classes, out, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "model", forward(NULL, 2, 8, 8, x, t, classes, out, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "latent", forward(tiny, 2, 8, 8, NULL, t, classes, out, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "timesteps", forward(tiny, 2, 8, 8, x, NULL, classes, out, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "out", forward(tiny, 2, 8, 8, x, t, classes, NULL, &error));
  CHECK(forward(tiny, 0, 8, 8, x, t, classes, out, NULL) == DIT_ERROR_ARGUMENT, "without a dit_error");
  CHECK(!memcmp(out, same, sizeof out), "a refusal changes the output");
  CHECK(forward(tiny, 2, 8, 8, x, t, NULL, out, &error) == DIT_OK, "classes NULL: %s", error.message);
}

static void test_autoencoder(void) {
  dit_error error;
  float latent[LATENT] = {0}, image[PICTURE], same[PICTURE], mean[LATENT];
  memset(image, 0x66, sizeof image);
  memcpy(same, image, sizeof image);
  memcpy(mean, image, sizeof mean);
  static const int32_t counts[] = {0, -1, 65537, INT32_MIN}, sides[] = {0, -8, 1025, INT32_MAX, INT32_MIN},
                       pixels[] = {0, -16, 15, 16386, INT32_MAX};
  for (int i = 0; i < 4; i++) {
    REFUSED(DIT_ERROR_ARGUMENT, "count", dit_vae_decode(tiny, counts[i], 8, 8, latent, image, &error));
    REFUSED(DIT_ERROR_ARGUMENT, "count", dit_vae_encode(tiny, counts[i], SIDE, SIDE, image, mean, NULL, &error));
  }
  for (int i = 0; i < 5; i++) {
    REFUSED(DIT_ERROR_ARGUMENT, "height", dit_vae_decode(tiny, 1, sides[i], 8, latent, image, &error));
    REFUSED(DIT_ERROR_ARGUMENT, "width", dit_vae_decode(tiny, 1, 8, sides[i], latent, image, &error));
    REFUSED(DIT_ERROR_ARGUMENT, "height", dit_vae_encode(tiny, 1, pixels[i], SIDE, image, mean, NULL, &error));
    REFUSED(DIT_ERROR_ARGUMENT, "width", dit_vae_encode(tiny, 1, SIDE, pixels[i], image, mean, NULL, &error));
  }
  REFUSED(DIT_ERROR_ARGUMENT, "model", dit_vae_decode(NULL, 1, 8, 8, latent, image, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "latent", dit_vae_decode(tiny, 1, 8, 8, NULL, image, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "image", dit_vae_decode(tiny, 1, 8, 8, latent, NULL, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "model", dit_vae_encode(NULL, 1, SIDE, SIDE, image, mean, NULL, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "image", dit_vae_encode(tiny, 1, SIDE, SIDE, NULL, mean, NULL, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "mean", dit_vae_encode(tiny, 1, SIDE, SIDE, image, NULL, NULL, &error));
  CHECK(!memcmp(image, same, sizeof image) && !memcmp(mean, same, sizeof mean), "a refusal changes the output");
  float both[2][LATENT], alone[2][LATENT];
  memset(image, 0, sizeof image);
  CHECK(dit_vae_encode(tiny, 1, SIDE, SIDE, image, both[0], both[1], NULL) == DIT_OK &&
            dit_vae_encode(tiny, 1, SIDE, SIDE, image, alone[0], NULL, NULL) == DIT_OK &&
            dit_vae_encode(tiny, 1, SIDE, SIDE, image, NULL, alone[1], NULL) == DIT_OK &&
            !memcmp(both, alone, sizeof both),
        "mean and logvar alone are not what they are together");
}

static void test_schedule_and_rng(void) {
  dit_error error;
  dit_schedule_row rows[3], same[3];
  int32_t count = -5;
  dit_params p = {.struct_size = sizeof p, .steps = 3};
  memset(rows, 0x66, sizeof rows);
  memcpy(same, rows, sizeof rows);
  REFUSED(DIT_ERROR_ARGUMENT, "count", dit_schedule(&p, 3, rows, NULL, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "rows", dit_schedule(&p, 3, NULL, &count, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "capacity", dit_schedule(&p, -1, rows, &count, &error));
  static const int32_t far[] = {-1, 1001, INT32_MIN, INT32_MAX};
  static const float reals[] = {-0.1f, 1.5f, NAN, INFINITY};
  for (int i = 0; i < 4; i++) {
    dit_params q = p;
    q.steps = far[i];
    REFUSED(DIT_ERROR_ARGUMENT, "steps", dit_schedule(&q, 3, rows, &count, &error));
    q = p;
    q.timestep_spacing = far[i];
    REFUSED(DIT_ERROR_ARGUMENT, "spacing", dit_schedule(&q, 3, rows, &count, &error));
    q = p;
    q.sampler = far[i];
    REFUSED(DIT_ERROR_ARGUMENT, "sampler", dit_schedule(&q, 3, rows, &count, &error));
    q = p;
    q.eta = reals[i];
    REFUSED(DIT_ERROR_ARGUMENT, "eta", dit_schedule(&q, 3, rows, &count, &error));
  }
  CHECK(count == -5 && !memcmp(rows, same, sizeof rows), "a refusal changes the output");
  p.timestep_spacing = 0;
  CHECK(dit_schedule(&p, 2, rows, &count, NULL) == DIT_OK && count == 3 && !memcmp(&rows[2], &same[2], sizeof rows[2]),
        "more rows than capacity");

  dit_rng *rng = (dit_rng *)rows;
  float number = 5;
  REFUSED(DIT_ERROR_ARGUMENT, "rng", dit_rng_open(0, 1, NULL, &error));
  REFUSED(DIT_ERROR_ARGUMENT, "generator", dit_rng_open(-1, 1, &rng, &error));
  CHECK(!rng, "a generator after a failure");
  REFUSED(DIT_ERROR_ARGUMENT, "generator", dit_rng_open(4, 1, &rng, &error));
  CHECK(dit_rng_normal(NULL, 1, &number) == DIT_ERROR_ARGUMENT, "dit_rng_normal(NULL)");
  CHECK(dit_rng_open(DIT_GENERATOR_DIT, 1, &rng, NULL) == DIT_OK, "dit_rng_open");
  CHECK(dit_rng_normal(rng, -1, &number) == DIT_ERROR_ARGUMENT && dit_rng_normal(rng, 1, NULL) == DIT_ERROR_ARGUMENT &&
            number == 5,
        "dit_rng_normal");
  CHECK(dit_rng_normal(rng, 0, NULL) == DIT_OK && dit_rng_normal(rng, 1, &number) == DIT_OK && number != 5,
        "dit_rng_normal of none and of one");
  dit_rng_close(rng);
  dit_rng_close(NULL);
}

/* ---- Information ---- */

static void test_asking(void) {
  dit_info info = {.struct_size = sizeof info};
  CHECK(dit_version() == DIT_VERSION, "dit_version");
  static const dit_status known[] = {DIT_OK,           DIT_MORE,         DIT_ERROR_ARGUMENT,
                                     DIT_ERROR_IO,     DIT_ERROR_FORMAT, DIT_ERROR_UNSUPPORTED,
                                     DIT_ERROR_MEMORY, DIT_ERROR_STATE,  DIT_CANCELLED};
  static const char *const names[] = {"DIT_OK",           "DIT_MORE",         "DIT_ERROR_ARGUMENT",
                                      "DIT_ERROR_IO",     "DIT_ERROR_FORMAT", "DIT_ERROR_UNSUPPORTED",
                                      "DIT_ERROR_MEMORY", "DIT_ERROR_STATE",  "DIT_CANCELLED"};
  for (int i = 0; i < 9; i++)
    CHECK(!strcmp(dit_status_name(known[i]), names[i]), "dit_status_name(%d) is %s", known[i],
          dit_status_name(known[i]));
  static const dit_status unknown[] = {2, -8, INT32_MIN, INT32_MAX};
  for (int i = 0; i < 4; i++)
    CHECK(dit_status_name(unknown[i]) && *dit_status_name(unknown[i]), "dit_status_name(%d)", unknown[i]);
  CHECK(dit_model_info(NULL, &info) == DIT_ERROR_ARGUMENT && info.depth == 0, "dit_model_info(NULL)");
  CHECK(!dit_model_class_label(NULL, 0) && !dit_model_class_label(tiny, -1) && !dit_model_class_label(tiny, 6) &&
            !dit_model_class_label(tiny, INT32_MAX) && !dit_model_class_label(tiny, INT32_MIN),
        "labels that are not there");
  CHECK(dit_model_find_class(NULL, "red") == DIT_UNKNOWN_CLASS &&
            dit_model_find_class(tiny, NULL) == DIT_UNKNOWN_CLASS &&
            dit_model_find_class(tiny, "") == DIT_UNKNOWN_CLASS &&
            dit_model_find_class(tiny, " -_") == DIT_UNKNOWN_CLASS &&
            dit_model_find_class(tiny, "nothing") == DIT_UNKNOWN_CLASS &&
            dit_model_find_class(tiny, ",") == DIT_UNKNOWN_CLASS,
        "finding what is not there");
  CHECK(dit_model_find_class(tiny, "RED apple") == 0 && dit_model_find_class(tiny, "red_apple") == 0 &&
            dit_model_find_class(tiny, "RedApple") == 0 && dit_model_find_class(tiny, "pomme") == 0 &&
            dit_model_find_class(tiny, "red apple, Pomme") == 0 && dit_model_find_class(tiny, "pear") == 1 &&
            dit_model_find_class(tiny, "poire") == 1 && dit_model_find_class(tiny, "pom") == DIT_UNKNOWN_CLASS,
        "finding in other spellings");
  CHECK(dit_model_find_class(tiny, "kiwi") == 4 && !dit_model_class_label(tiny, 3) &&
            !strcmp(dit_model_class_label(tiny, 5), "\xc3\xa9t\xc3\xa9"),
        "whole names before synonyms");
  dit_model_close(NULL);
}

static int write_model(void) {
  static const char *const labels[6] = {"Red Apple, pomme", "pear,poire", "fig, kiwi", "", "kiwi", "\xc3\xa9t\xc3\xa9"};
  model_content m;
  convert_options wishes;
  dit_error error = {0};
  memset(&m, 0, sizeof m);
  memset(&wishes, 0, sizeof wishes);
  wishes.type = DIT_TYPE_F32;
  wishes.guidance = -1;
  wishes.labels = labels;
  wishes.label_count = 6;
  const int made =
      !content_add_synthetic(&m, "dit:hidden=48,depth=1,heads=2,patch=2,latent=8,in=4,classes=6", &error) &&
      !content_add_synthetic(&m, "vae:blocks=8+16,layers=1,groups=4,in=4,out=4,latent=4", &error) &&
      !model_write(&m, &wishes, path, NULL, NULL, &error);
  content_free(&m);
  return CHECK(made, "%s", error.message);
}

int main(void) {
  dit_error error = {0};
  const dit_options options = {.struct_size = sizeof options, .threads = 1};
  synthetic_path(path, sizeof path, "arguments");
  if (write_model()) bytes = npy_load(path, &size);
  if (CHECK(bytes && dit_model_open_memory(bytes, size, &options, &tiny, &error) == DIT_OK, "%s", error.message)) {
    test_structs();
    test_options();
    test_open();
    test_params();
    test_jobs();
    test_forward();
    test_autoencoder();
    test_schedule_and_rng();
    test_asking();
  }
  dit_model_close(tiny);
  free(bytes);
  return test_end("test_arguments");
}
