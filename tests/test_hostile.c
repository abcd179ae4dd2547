/* Model files that are valid GGUF and no model, and hosts without memory.
 *
 * It fails if a file with a tensor or key that is missing, of another type, shape or range is opened, or refused
 * without its name; if damaged bytes or a failing allocator crash (run it under sanitizers), leak or give another
 * error. */
#include <math.h>

#include "tests/forward.h"
#include "tests/host.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/convert/write/gguf_write.h"

#define TINY_DIT "dit:hidden=48,depth=1,heads=2,patch=2,latent=8,in=4,classes=6"
#define TINY_VAE "vae:blocks=8+16,layers=1,groups=4,in=4,out=4,latent=4"

static char path[512];
static host hostile_host;

/* ---- Files with one thing changed ---- */

typedef enum value_kind { NONE, ABSENT, INTEGER, REAL, TEXT, INTEGERS, REALS, TEXTS } value_kind;

typedef struct change {
  const char *key; /* and its new value */
  value_kind kind;
  int64_t integer;
  double real;
  const char *text;
  size_t count;       /* of an array */
  const char *tensor; /* and its new type, rank, shape */
  int gone;           /* 1: without it */
  uint32_t type, rank;
  uint64_t shape[4];
} change;

static void write_value(gguf_writer *w, const change *c) {
  uint32_t integers[16];
  float reals[64];
  const char *texts[64];
  for (int i = 0; i < 16; i++) integers[i] = (uint32_t)c->integer;
  for (int i = 0; i < 64; i++) {
    reals[i] = (float)c->real;
    texts[i] = c->text ? c->text : "label";
  }
  switch (c->kind) {
    case INTEGER:
      if (c->integer < 0)
        gguf_writer_i32(w, c->key, (int32_t)c->integer);
      else
        gguf_writer_u32(w, c->key, (uint32_t)c->integer);
      break;
    case REAL: gguf_writer_f64(w, c->key, c->real); break;
    case TEXT: gguf_writer_string(w, c->key, c->text); break;
    case INTEGERS: gguf_writer_u32s(w, c->key, integers, c->count); break;
    case REALS: gguf_writer_f32s(w, c->key, reals, c->count); break;
    case TEXTS: gguf_writer_strings(w, c->key, texts, c->count); break;
    default: break;
  }
}

/* Tensors with their own bytes, or zeroes where they changed. */
static int write_tensors(gguf_writer *w, const dit__gguf *file, const change *c) {
  static const uint8_t zeroes[1 << 16];
  dit_error error = {0};
  dit_status status = DIT_OK;
  for (int pass = 0; pass < 2 && !status; pass++) {
    if (pass) status = gguf_writer_begin(w, NULL, &error);
    for (uint64_t i = 0; i < dit__gguf_tensor_count(file) && !status; i++) {
      dit__gguf_tensor t = *dit__gguf_tensor_at(file, i);
      const int changed = c->tensor && !strcmp(c->tensor, t.name);
      if (changed && c->gone) continue;
      if (changed) {
        t.type = c->type;
        t.rank = c->rank;
        memcpy(t.shape, c->shape, sizeof t.shape);
        t.count = 1;
        for (uint32_t d = 0; d < t.rank; d++) t.count *= t.shape[d];
      }
      uint64_t left = t.count * dit__gguf_type_size(t.type);
      if (!pass) gguf_writer_tensor(w, t.name, t.type, t.rank, t.shape);
      if (pass && !changed) status = gguf_writer_data(w, t.data, (size_t)left, &error);
      for (; pass && changed && left && !status; left -= left < sizeof zeroes ? left : sizeof zeroes)
        status = gguf_writer_data(w, zeroes, (size_t)(left < sizeof zeroes ? left : sizeof zeroes), &error);
    }
  }
  if (status) printf("  %s\n", error.message);
  return !status;
}

/* Writes `file` with a change to `path`. */
static int rewrite(const dit__gguf *file, const change *c) {
  gguf_writer *w;
  dit_error error = {0};
  const uint8_t *record;
  const char *name;
  size_t length, size;
  if (gguf_writer_open(path, &w, &error)) return CHECK(0, "%s", error.message);
  for (uint64_t i = 0; (record = dit__gguf_key_at(file, i, &name, &length, &size)) != NULL; i++) {
    const int same = c->key && strlen(c->key) == length && !memcmp(name, c->key, length);
    if (same || (length == 17 && !memcmp(name, "general.alignment", 17))) continue;
    gguf_writer_copy(w, record, size);
  }
  if (c->key && c->kind != ABSENT) write_value(w, c);
  if (!write_tensors(w, file, c)) {
    gguf_writer_abandon(w);
    return CHECK(0, "a changed file cannot be written");
  }
  return CHECK(gguf_writer_finish(w, NULL, &error) == DIT_OK, "%s", error.message);
}

static dit_status open_path(dit_model **model, dit_error *error) {
  dit_options options = host_options(&hostile_host);
  options.threads = 1;
  options.load = DIT_LOAD_READ;
  memset(error, 0, sizeof *error);
  return dit_model_open(path, &options, model, error);
}

/* The changed file is refused with a sentence that has `word`, or, if word is NULL, opened. */
static void expect(const dit__gguf *file, const change *c, const char *word) {
  dit_model *model;
  dit_error error;
  char what[160];
  snprintf(what, sizeof what, "%s%s kind %d %lld %g type %u rank %u [%d,%d,%d,%d]", c->key ? c->key : c->tensor,
           c->gone ? " missing" : "", (int)c->kind, (long long)c->integer, c->real, c->type, c->rank, (int)c->shape[0],
           (int)c->shape[1], (int)c->shape[2], (int)c->shape[3]);
  if (!rewrite(file, c)) return;
  const dit_status status = open_path(&model, &error);
  if (word) {
    CHECK((status == DIT_ERROR_FORMAT || status == DIT_ERROR_UNSUPPORTED) && !model, "%s: status %d", what, status);
    CHECK(status == DIT_OK || (host_sentence(&error) && strstr(error.message, word) && error.status == status),
          "%s: '%s' does not name %s", what, error.message, word);
  } else {
    CHECK(status == DIT_OK, "%s: %s", what, error.message);
  }
  dit_model_close(model);
  CHECK(hostile_host.count == 0 && hostile_host.wrong == 0, "%s: %d blocks left", what, hostile_host.count);
}

/* ---- Tensors ---- */

static void test_tensors(const dit__gguf *file) {
  for (uint64_t i = 0; i < dit__gguf_tensor_count(file); i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(file, i);
    change c;
    memset(&c, 0, sizeof c);
    c.tensor = t->name;
    c.gone = 1;
    expect(file, &c, t->name);
    c.gone = 0;
    c.type = t->type;
    for (uint32_t d = 0; d < t->rank; d++)
      for (int more = 0; more < 3; more++) {
        c.rank = t->rank;
        memcpy(c.shape, t->shape, sizeof c.shape);
        if (more == 2 && t->shape[d] == 1) continue;
        c.shape[d] = more == 0 ? t->shape[d] + 1 : more == 1 ? t->shape[d] * 2 : t->shape[d] - 1;
        expect(file, &c, t->name);
      }
    memcpy(c.shape, t->shape, sizeof c.shape);
    if (t->rank < 4) {
      c.rank = t->rank + 1; /* one dimension more */
      expect(file, &c, t->name);
    }
    c.rank = t->rank;
    if (t->rank > 1) { /* the same elements as a vector */
      c.rank = 1;
      c.shape[0] = t->count;
      expect(file, &c, t->name);
      memcpy(c.shape, t->shape, sizeof c.shape);
      c.rank = t->rank;
    }
    if (t->type == DIT__GGUF_I8) continue;
    c.type = DIT__GGUF_I8; /* no scale */
    expect(file, &c, t->name);
  }
}

/* ---- Keys ---- */

#define KEY_INTEGER(name, value) \
  { .key = name, .kind = INTEGER, .integer = value }
#define KEY_REAL(name, value) \
  { .key = name, .kind = REAL, .real = value }
#define KEY_TEXT(name, value) \
  { .key = name, .kind = TEXT, .text = value }

static void test_key_values(const dit__gguf *file) {
  static const change bad[] = {
      KEY_INTEGER("dit.hidden_size", 0),
      KEY_INTEGER("dit.hidden_size", 2),
      KEY_INTEGER("dit.hidden_size", 50),
      KEY_INTEGER("dit.hidden_size", 16388),
      KEY_INTEGER("dit.hidden_size", 1u << 31),
      KEY_INTEGER("dit.hidden_size", -48),
      KEY_INTEGER("dit.depth", 0),
      KEY_INTEGER("dit.depth", 513),
      KEY_INTEGER("dit.depth", 1u << 31),
      KEY_INTEGER("dit.depth", -1),
      KEY_INTEGER("dit.heads", 0),
      KEY_INTEGER("dit.heads", 5),
      KEY_INTEGER("dit.heads", 257),
      KEY_INTEGER("dit.heads", -2),
      KEY_INTEGER("dit.patch", 0),
      KEY_INTEGER("dit.patch", 3),
      KEY_INTEGER("dit.patch", 17),
      KEY_INTEGER("dit.latent_size", 0),
      KEY_INTEGER("dit.latent_size", 7),
      KEY_INTEGER("dit.latent_size", 1026),
      KEY_INTEGER("dit.latent_size", 0xfffffffe),
      KEY_INTEGER("dit.in_channels", 0),
      KEY_INTEGER("dit.in_channels", 65),
      KEY_INTEGER("dit.class_count", 0),
      KEY_INTEGER("dit.class_count", 2000000),
      KEY_INTEGER("dit.null_class", -2),
      KEY_INTEGER("dit.null_class", 7),
      KEY_INTEGER("dit.mlp_size", 0),
      KEY_INTEGER("dit.mlp_size", 70000),
      KEY_INTEGER("dit.learned_sigma", 2),
      KEY_INTEGER("dit.steps", 0),
      KEY_INTEGER("dit.steps", 1001),
      KEY_INTEGER("dit.guidance_channels", -2),
      KEY_INTEGER("dit.guidance_channels", 0),
      KEY_INTEGER("dit.guidance_channels", 5),
      KEY_INTEGER("dit.timesteps", 1),
      KEY_INTEGER("dit.timesteps", 10001),
      KEY_INTEGER("dit.steps_offset", -1),
      KEY_INTEGER("dit.steps_offset", 1000),
      KEY_INTEGER("dit.set_alpha_to_one", 2),
      KEY_INTEGER("dit.timesteps", 0),
      KEY_INTEGER("dit.format", 2),
      KEY_INTEGER("dit.format", 0),
      KEY_REAL("dit.beta_start", 0.1),
      KEY_REAL("dit.beta_start", 0),
      KEY_REAL("dit.beta_start", NAN),
      KEY_REAL("dit.beta_end", 1),
      KEY_REAL("dit.beta_end", 0.3),
      KEY_REAL("dit.guidance", -1),
      KEY_REAL("dit.guidance", 1e5),
      KEY_REAL("dit.guidance", NAN),
      KEY_REAL("dit.guidance", INFINITY),
      KEY_TEXT("dit.sampler", "euler"),
      KEY_TEXT("dit.spacing", "karras"),
      KEY_TEXT("dit.forward", "another"),
      KEY_TEXT("dit.beta_schedule", "cosine"),
      KEY_TEXT("dit.prediction_type", "v_prediction"),
      KEY_TEXT("dit.variance", "fixed"),
      KEY_TEXT("dit.clip", "maybe"),
      KEY_TEXT("general.architecture", "llama"),
      KEY_TEXT("general.architecture", "d\nt"),
      KEY_TEXT("general.architecture", ""),
      KEY_INTEGER("vae.layers", 0),
      KEY_INTEGER("vae.layers", 8),
      KEY_INTEGER("vae.groups", 0),
      KEY_INTEGER("vae.groups", 257),
      KEY_INTEGER("vae.groups", 3),
      KEY_INTEGER("vae.image_channels", 2),
      KEY_INTEGER("vae.image_channels", 5),
      KEY_INTEGER("vae.latent_channels", 0),
      KEY_INTEGER("vae.latent_channels", 65),
      KEY_REAL("vae.scaling_factor", 0),
      KEY_REAL("vae.scaling_factor", -1),
      KEY_REAL("vae.scaling_factor", NAN),
      KEY_REAL("vae.scaling_factor", 1e300),
      KEY_REAL("vae.scaling_factor", 1e-300),
      {.key = "vae.block_channels", .kind = INTEGERS, .integer = 8, .count = 9},
      {.key = "vae.block_channels", .kind = INTEGERS, .integer = 6, .count = 2},
      {.key = "vae.block_channels", .kind = INTEGERS, .integer = 0, .count = 2},
      {.key = "vae.block_channels", .kind = INTEGERS, .integer = 8192, .count = 2},
      {.key = "vae.block_channels", .kind = TEXTS, .count = 2},
      {.key = "vae.block_channels", .kind = REALS, .real = 8, .count = 2},
      {.key = "dit.labels", .kind = TEXTS, .count = 7},
      {.key = "dit.labels", .kind = INTEGERS, .count = 6},
      {.key = "dit.preview", .kind = REALS, .real = 1, .count = 19},
      {.key = "dit.preview", .kind = REALS, .real = 1, .count = 21},
      {.key = "dit.preview", .kind = REALS, .real = NAN, .count = 20},
      {.key = "dit.preview", .kind = TEXTS, .count = 20},
  };
  static const change good[] = {
      {.key = "dit.labels", .kind = TEXTS, .count = 6},
      {.key = "dit.labels", .kind = TEXTS, .count = 3},
      {.key = "dit.preview", .kind = REALS, .real = 1, .count = 20},
      KEY_TEXT("general.license", "MIT"),
      KEY_INTEGER("dit.guidance_channels", -1),
      KEY_INTEGER("dit.guidance_channels", 4),
      KEY_REAL("dit.guidance", 1.5),
      KEY_TEXT("dit.sampler", "ddim"),
      KEY_TEXT("dit.sampler", "dpm++"),
      KEY_TEXT("dit.spacing", "trailing"),
      KEY_TEXT("dit.beta_schedule", "scaled_linear"),
      KEY_TEXT("dit.prediction_type", "epsilon"),
      KEY_TEXT("dit.variance", "fixed_small"),
      KEY_TEXT("dit.variance", "learned_range"),
      KEY_TEXT("dit.variance", "learned"),
      KEY_TEXT("dit.clip", "on"),
      KEY_INTEGER("dit.timesteps", 999),
      KEY_INTEGER("dit.steps_offset", 1),
      KEY_INTEGER("dit.set_alpha_to_one", 0),
      KEY_REAL("dit.beta_end", 0.03),
      KEY_TEXT("some.other.key", "of a later version"),
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) expect(file, &bad[i], strchr(bad[i].key, '.') + 1);
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) expect(file, &good[i], NULL);
}

/* Every key of the file absent and of other types. */
static void test_keys(const dit__gguf *file) {
  static const char *const optional[] = {
      "general.name",   "dit.format",   "dit.mlp_size",          "dit.forward",       "dit.beta_schedule",
      "dit.beta_start", "dit.beta_end", "dit.timesteps",         "dit.steps",         "dit.sampler",
      "dit.spacing",    "dit.guidance", "dit.guidance_channels", "vae.scaling_factor"};
  const uint8_t *record;
  const char *name;
  size_t length, size;
  for (uint64_t i = 0; (record = dit__gguf_key_at(file, i, &name, &length, &size)) != NULL; i++) {
    char key[64];
    int needed = 1;
    snprintf(key, sizeof key, "%.*s", (int)length, name);
    if (!strcmp(key, "general.alignment")) continue;
    for (size_t k = 0; k < sizeof optional / sizeof optional[0]; k++)
      if (!strcmp(key, optional[k])) needed = 0;
    const change absent = {.key = key, .kind = ABSENT}, texts = {.key = key, .kind = TEXTS, .count = 2},
                 text = {.key = key, .kind = TEXT, .text = "48"}, real = {.key = key, .kind = REAL, .real = 2.5};
    expect(file, &absent, needed ? strchr(key, '.') + 1 : NULL);
    expect(file, &texts, key);
    const uint32_t type = record[8 + length]; /* a small number */
    expect(file, type == DIT__KEY_STRING ? &real : &text, key);
  }
}

/* Long strings are cut between characters, wherever the cut falls. */
static void test_texts(const dit__gguf *file) {
  static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
  for (int k = 0; k < 4; k++)
    for (size_t before = 0; before < 4; before++) {
      char text[512] = "bbbb";
      dit_model *model;
      dit_error error;
      dit_info info = {.struct_size = sizeof info};
      text[before] = 0;
      while (strlen(text) < 200) strcat(text, characters[k]);
      const change c = {.key = "general.name", .kind = TEXT, .text = text};
      if (!rewrite(file, &c) || !CHECK(open_path(&model, &error) == DIT_OK, "%s", error.message)) continue;
      dit_model_info(model, &info);
      dit_error as_message = {0};
      memcpy(as_message.message, info.name, sizeof info.name);
      CHECK(memchr(info.name, 0, sizeof info.name) && strlen(info.name) >= sizeof info.name - 4 &&
                host_sentence(&as_message) && !strncmp(info.name, text, strlen(info.name)),
            "a long name of characters of %d bytes, %d before, is cut to %d", k + 1, (int)before,
            (int)strlen(info.name));
      dit_model_close(model);
    }
}

/* ---- Damaged bytes ---- */

static void open_damaged(const uint8_t *bytes, size_t size, const char *what) {
  dit_options options = host_options(&hostile_host);
  dit_model *model;
  dit_error error;
  dit_info info = {.struct_size = sizeof info};
  memset(&error, 0, sizeof error);
  options.threads = 1;
  const dit_status status = dit_model_open_memory(bytes, size, &options, &model, &error);
  if (status) {
    CHECK((status == DIT_ERROR_FORMAT || status == DIT_ERROR_UNSUPPORTED) && !model && host_sentence(&error),
          "%s: %d '%s'", what, status, error.message);
  } else {
    CHECK(dit_model_info(model, &info) == DIT_OK &&
              dit_params_resolve(model, NULL, &(dit_params){.struct_size = sizeof(dit_params)}, &error) == DIT_OK,
          "%s: opened, but %s", what, error.message);
    dit_model_find_class(model, "x");
    dit_model_close(model);
  }
  CHECK(hostile_host.count == 0 && hostile_host.wrong == 0, "%s: %d blocks left", what, hostile_host.count);
}

static void test_damage(const uint8_t *bytes, size_t size, size_t header) {
  uint8_t *copy = (uint8_t *)malloc(size);
  char what[64];
  for (size_t at = 0; at < header; at += at < 200 ? 1 : 3) {
    static const uint8_t with[] = {0xff, 0x80, 0x01};
    memcpy(copy, bytes, size);
    copy[at] ^= with[at % 3];
    snprintf(what, sizeof what, "byte %d", (int)at);
    open_damaged(copy, size, what);
  }
  free(copy);
  for (size_t cut = 0; cut < size; cut += cut < 200 ? 1 : cut < header ? 37 : 4099) {
    copy = (uint8_t *)malloc(cut ? cut : 1); /* exact, so that sanitizers see a byte beyond */
    memcpy(copy, bytes, cut);
    snprintf(what, sizeof what, "cut to %d", (int)cut);
    dit_model *model;
    dit_error error = {0};
    const dit_status status = dit_model_open_memory(copy, cut, NULL, &model, &error);
    CHECK(status == DIT_ERROR_FORMAT && !model && host_sentence(&error), "%s: %d '%s'", what, status, error.message);
    free(copy);
  }
}

/* A file that ends with its only key. */
static void test_end_of_file(void) {
  static const char key[] = "general.architecture", *const values[] = {"dit", "abc",
                                                                       "a rather long name of an architecture"};
  for (int v = 0; v < 3; v++) {
    uint8_t bytes[160] = "GGUF\3";
    uint64_t number = 1;
    size_t at = 16;
    memcpy(bytes + at, &number, 8);
    number = sizeof key - 1;
    memcpy(bytes + at + 8, &number, 8);
    at += 16;
    memcpy(bytes + at, key, sizeof key - 1);
    at += sizeof key - 1;
    bytes[at] = DIT__KEY_STRING;
    number = strlen(values[v]);
    memcpy(bytes + at + 4, &number, 8);
    memcpy(bytes + at + 12, values[v], number);
    at += 12 + number;
    uint8_t *exact = (uint8_t *)malloc(at);
    memcpy(exact, bytes, at);
    open_damaged(exact, at, "a file of one key");
    free(exact);
  }
}

/* Eight levels: the largest latent would have 131072 pixels a side, more than there are numbers for. */
static void test_levels(void) {
  static const int32_t sides[] = {1024, 512, 300, 128};
  dit_model *model;
  dit_error error = {0};
  static float number[4];
  dit_options options = host_options(&hostile_host);
  options.threads = 1;
  if (!CHECK(
          synthetic_file(path, "vae:blocks=8+4+4+4+4+4+4+4,layers=1,groups=4,in=3,out=3,latent=1", NULL, DIT_TYPE_F32),
          "eight levels"))
    return;
  if (!CHECK(dit_model_open(path, &options, &model, &error) == DIT_OK, "eight levels: %s", error.message)) return;
  for (int i = 0; i < 4; i++) {
    const dit_status status = dit_vae_decode(model, 1, sides[i], sides[i], number, number, &error);
    CHECK(status == DIT_ERROR_MEMORY || status == DIT_ERROR_ARGUMENT, "a latent of %d x %d in eight levels: %d",
          sides[i], sides[i], status);
  }
  dit_model_close(model);
  if (!CHECK(synthetic_file(path, "dit:hidden=48,depth=1,heads=2,patch=1,latent=8,in=1,classes=6",
                            "vae:blocks=8+4+4+4+4+4+4+4,layers=1,groups=4,in=3,out=3,latent=1", DIT_TYPE_F32),
             "eight levels"))
    return;
  CHECK(dit_model_open(path, &options, &model, &error) == DIT_OK, "eight levels: %s", error.message);
  for (int i = 0; i < 4; i++) {
    dit_params p = {
        .struct_size = sizeof p, .count = 65536, .steps = 1000, .width = 128 * sides[i], .height = 128 * sides[i]};
    dit_job *job;
    size_t bytes = 0;
    const dit_status status = dit_job_start(model, &p, &job, &error),
                     measured = dit_job_memory(model, &p, &bytes, NULL);
    CHECK((status == DIT_ERROR_MEMORY || status == DIT_ERROR_ARGUMENT) &&
              (measured == status || (measured == DIT_OK && bytes > (size_t)1 << 30)),
          "a job of %d x %d pixels: %d, %d", p.width, p.height, status, measured);
  }
  dit_model_close(model);
}

/* ---- Allocations that fail ---- */

typedef dit_status work(dit_model *model, dit_error *error);

static dit_status work_start(dit_model *model, dit_error *error) {
  dit_job *job = NULL;
  const dit_status status = dit_job_start(model, NULL, &job, error);
  CHECK(!status == (job != NULL), "dit_job_start: status %d with %s job", status, job ? "a" : "no");
  dit_job_end(job);
  return status;
}

static dit_status work_denoise(dit_model *model, dit_error *error) {
  float x[256] = {0}, t = 5, out[512];
  return forward(model, 1, 8, 8, x, &t, NULL, out, error);
}

static dit_status work_decode(dit_model *model, dit_error *error) {
  float x[256] = {0}, image[1024];
  return dit_vae_decode(model, 1, 8, 8, x, image, error);
}

static dit_status work_encode(dit_model *model, dit_error *error) {
  float image[1024] = {0}, mean[256];
  return dit_vae_encode(model, 1, 16, 16, image, mean, NULL, error);
}

static dit_status work_generate(dit_model *model, dit_error *error) {
  uint8_t pixels[1024];
  dit_params p = {.struct_size = sizeof p, .steps = 1};
  return dit_generate(model, &p, 0, pixels, sizeof pixels, error);
}

static void test_no_memory(const uint8_t *bytes, size_t size, const char *kind) {
  static work *const works[] = {work_start, work_denoise, work_decode, work_encode, work_generate};
  static const char *const names[] = {"dit_job_start", "dit_forward", "dit_vae_decode", "dit_vae_encode",
                                      "dit_generate"};
  dit_options options = host_options(&hostile_host);
  dit_model *model = NULL;
  dit_error error;
  dit_status status = DIT_ERROR_MEMORY;
  long failed = 0;
  options.threads = 1;
  for (long n = 1; status; n++) {
    options = host_options(&hostile_host);
    options.threads = 1;
    hostile_host.fail_at = n;
    memset(&error, 0, sizeof error);
    status = dit_model_open_memory(bytes, size, &options, &model, &error);
    if (!status) break;
    failed++;
    if (!CHECK(status == DIT_ERROR_MEMORY && !model && host_sentence(&error) && hostile_host.count == 0 &&
                   hostile_host.wrong == 0,
               "%s: allocation %ld fails: %d '%s', %d blocks left", kind, n, status, error.message, hostile_host.count))
      break;
  }
  printf("  %s: opening makes %ld allocations\n", kind, failed);
  if (!model) return;
  for (int w = 0; w < 5; w++) {
    const int blocks = hostile_host.count;
    for (long n = 1;; n++) {
      hostile_host.fail_at = hostile_host.calls + n;
      memset(&error, 0, sizeof error);
      status = works[w](model, &error);
      CHECK(hostile_host.count == blocks && hostile_host.wrong == 0, "%s: %d blocks left", names[w],
            hostile_host.count - blocks);
      if (!status || status == DIT_ERROR_UNSUPPORTED) break; /* a part that the model has not */
      if (!CHECK(status == DIT_ERROR_MEMORY && host_sentence(&error), "%s: allocation %ld fails: %d '%s'", names[w], n,
                 status, error.message))
        break;
    }
  }
  hostile_host.fail_at = 0;
  dit_model_close(model);
  CHECK(hostile_host.count == 0, "%s: %d blocks left", kind, hostile_host.count);
}

/* The same from a path, both ways. */
static void test_no_memory_path(void) {
  for (int32_t load = DIT_LOAD_MAP; load <= DIT_LOAD_READ; load++) {
    dit_status status = DIT_ERROR_MEMORY;
    for (long n = 1; status; n++) {
      dit_options options = host_options(&hostile_host);
      dit_model *model;
      dit_error error = {0};
      options.load = load;
      options.threads = 1;
      hostile_host.fail_at = n;
      status = dit_model_open(path, &options, &model, &error);
      CHECK(!status || (status == DIT_ERROR_MEMORY && host_sentence(&error)), "load %d: allocation %ld: %s", load, n,
            error.message);
      dit_model_close(model);
      if (!CHECK(hostile_host.count == 0 && hostile_host.wrong == 0, "load %d, allocation %ld: %d blocks left", load, n,
                 hostile_host.count))
        break;
    }
  }
}

/* Where the tensors' bytes begin. */
static size_t header_size(const dit__gguf *file, const uint8_t *bytes, size_t size) {
  for (uint64_t i = 0; i < dit__gguf_tensor_count(file); i++) {
    const size_t at = (size_t)(dit__gguf_tensor_at(file, i)->data - bytes);
    size = at < size ? at : size;
  }
  return size;
}

static void test_model(const char *dit, const char *vae, int type, const char *kind, int thorough) {
  size_t size = 0;
  dit__gguf *file;
  dit_error error = {0};
  const change nothing = {.key = NULL};
  if (!CHECK(synthetic_file(path, dit, vae, type), "%s", kind)) return;
  uint8_t *bytes = npy_load(path, &size);
  if (!CHECK(bytes && dit__gguf_open(bytes, size, NULL, &file, &error) == DIT_OK, "%s: %s", kind, error.message))
    return;
  test_no_memory(bytes, size, kind);
  if (thorough) test_no_memory_path();
  dit_model *model = NULL;
  CHECK(rewrite(file, &nothing) && open_path(&model, &error) == DIT_OK, "%s, written again: %s", kind, error.message);
  dit_model_close(model);
  test_tensors(file);
  if (thorough) {
    test_key_values(file);
    test_keys(file);
    test_texts(file);
    test_damage(bytes, size, header_size(file, bytes, size));
  }
  dit__gguf_close(file, NULL);
  free(bytes);
}

int main(void) {
  synthetic_path(path, sizeof path, "hostile");
  test_model(TINY_DIT, TINY_VAE, DIT_TYPE_F32, "f32", 1);
  test_model(TINY_DIT, NULL, DIT_TYPE_Q8, "q8", 0);
  test_model(TINY_DIT, NULL, DIT_TYPE_Q4, "q4", 0);
  test_model(TINY_VAE, NULL, DIT_TYPE_F16, "autoencoder", 0);
  test_end_of_file();
  test_levels();
  remove(path);
  return test_end("test_hostile");
}
