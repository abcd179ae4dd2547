/* dit-convert (weights/convert): synthetic weights, types, keys, and conversions of files that PyTorch wrote.
 * Fails if a synthetic weight differs in a bit from the reference's (tests/golden/weights: CRC-32 of whole tensors); if
 * a rounding is not the nearest, ties to even; if a key or tensor of the model file is missing or wrong; if a converted
 * checkpoint is not the file that the synthetic rule gives directly, byte for byte; or if a failure leaves a file
 * behind or does not say what is wrong. The program under test is argv[1], or DIT_CONVERT, or build/dit-convert; run
 * from the root of the repository. */
#define _DEFAULT_SOURCE /* mkdtemp, fork */

#include "tests/convert.h"

#include <math.h>
#include <sys/resource.h>

#include "lib/core/platform.h"
#include "weights/convert/shape/content.h"
#include "weights/convert/write/encode.h"
#include "weights/convert/write/write_model.h"

#define SMALL_DIT "dit:hidden=16,depth=1,heads=2,patch=2,latent=4,in=4,classes=3,sigma=1"
#define SMALL_VAE "vae:blocks=8+8,layers=1,groups=4,in=3,out=3,latent=4"
#define CHECKPOINTS "tests/golden/checkpoints/"

/* ---- The rule, against the reference ---- */

static uint32_t crc32_of(uint32_t crc, const void *data, size_t size) {
  static const uint32_t table[16] = {0,          0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                     0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                     0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  const uint8_t *bytes = (const uint8_t *)data;
  crc = ~crc;
  for (size_t i = 0; i < size; i++) {
    crc = table[(crc ^ bytes[i]) & 15] ^ crc >> 4;
    crc = table[(crc ^ bytes[i] >> 4) & 15] ^ crc >> 4;
  }
  return ~crc;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

static const char *text_of(const json_value *object, const char *key) {
  const json_value *v = json_member(object, key);
  return v && v->kind == JSON_STRING ? v->text : "";
}

static int64_t integer_of(const json_value *object, const char *key) {
  int64_t value = -1;
  const json_value *v = json_member(object, key);
  if (v && v->kind == JSON_TRUE) return 1;
  if (v && v->kind == JSON_FALSE) return 0;
  if (v) json_integer(v, 0, INT32_MAX, &value);
  return value;
}

/* The specification of a case of the manifest. */
static void spec_of(const json_value *params, char *out, size_t room) {
  int64_t number;
  if (strcmp(text_of(params, "kind"), "dit") == 0) {
    snprintf(out, room, "dit:hidden=%d,depth=%d,heads=%d,patch=%d,latent=%d,in=%d,classes=%d,sigma=%d",
             (int)integer_of(params, "hidden"), (int)integer_of(params, "depth"), (int)integer_of(params, "heads"),
             (int)integer_of(params, "patch"), (int)integer_of(params, "latent"),
             (int)integer_of(params, "in_channels"), (int)integer_of(params, "classes"),
             (int)integer_of(params, "learn_sigma"));
    return;
  }
  size_t used = (size_t)snprintf(out, room, "vae:blocks=");
  const json_value *blocks = json_member(params, "blocks");
  for (const json_value *b = blocks ? blocks->child : NULL; b; b = b->next)
    if (json_integer(b, 1, 8192, &number))
      used += (size_t)snprintf(out + used, room - used, "%s%d", b == blocks->child ? "" : "+", (int)number);
  snprintf(out + used, room - used, ",layers=%d,groups=%d,in=%d,out=%d,latent=%d", (int)integer_of(params, "layers"),
           (int)integer_of(params, "groups"), (int)integer_of(params, "image_channels"),
           (int)integer_of(params, "image_channels"), (int)integer_of(params, "latent_channels"));
}

static const content_tensor *find_tensor(const model_content *m, const char *name) {
  for (size_t i = 0; i < m->count; i++)
    if (strcmp(m->tensors[i].tensor.name, name) == 0) return &m->tensors[i];
  return NULL;
}

static uint64_t elements(const dit__tensor *t) { return t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3]; }

/* One unit in the last place is allowed in the position table, none elsewhere. */
static void check_value(const model_content *m, const content_tensor *t, uint64_t index, const char *bits,
                        uint32_t slack) {
  float value;
  content_read(m, t, index, 1, &value);
  int64_t have = bits_of(value), want = (int64_t)strtoul(bits, NULL, 16);
  CHECK(have - want <= slack && want - have <= slack, "%s[%d]: 0x%08x instead of %s", t->tensor.name, (int)index,
        (unsigned)have, bits);
}

static void check_tensor(const model_content *m, const json_value *expected) {
  enum { CHUNK = 100003 }; /* chunks that begin anywhere must fit together */
  static float values[CHUNK];
  const char *name = text_of(expected, json_member(expected, "crc32") ? "hashed" : "name");
  const content_tensor *t = find_tensor(m, name);
  if (!CHECK(t != NULL, "%s: no such tensor", name)) return;
  int rank = 0, same = 1;
  for (const json_value *e = json_member(expected, "shape")->child; e; e = e->next, rank++)
    same = same && rank < 4 && (double)t->tensor.shape[rank] == e->number;
  CHECK(same && rank == (int)t->tensor.rank, "%s: another shape", name);
  int hashed = json_member(expected, "crc32") != NULL;
  uint64_t count = elements(&t->tensor), index = 0;
  check_value(m, t, count - 1, text_of(expected, "last_bits"), hashed ? 0 : 1);
  for (const json_value *e = json_member(expected, "first_bits")->child; e; e = e->next, index++)
    check_value(m, t, index, e->text, hashed ? 0 : 1);
  if (!hashed) return;
  CHECK(t->rule.seed == strtoull(text_of(expected, "fnv1a64"), NULL, 16), "%s: another hash", name);
  CHECK(bits_of(t->rule.scale) == strtoul(text_of(expected, "scale_bits"), NULL, 16), "%s: another scale", name);
  uint32_t crc = 0;
  for (uint64_t first = 0; first < count; first += CHUNK) {
    size_t n = count - first < CHUNK ? (size_t)(count - first) : CHUNK;
    content_read(m, t, first, n, values);
    crc = crc32_of(crc, values, n * sizeof(float));
  }
  CHECK(crc == strtoul(text_of(expected, "crc32"), NULL, 16), "%s: CRC-32 0x%08x instead of %s", name, (unsigned)crc,
        text_of(expected, "crc32"));
}

static void test_rule(void) {
  size_t size, tensors = 0;
  dit_error error = {0, ""};
  char *text = (char *)load("tests/golden/weights/manifest.json", &size);
  if (!CHECK(text != NULL, "tests/golden/weights/manifest.json is missing")) return;
  json_value *manifest = json_parse(text, size, "manifest.json", &error);
  if (!CHECK(manifest != NULL, "%s", error.message)) return;
  for (const json_value *c = json_member(manifest, "cases")->child; c; c = c->next) {
    model_content m;
    char spec[256];
    memset(&m, 0, sizeof m);
    spec_of(json_member(c, "params"), spec, sizeof spec);
    if (!CHECK(content_add_synthetic(&m, spec, &error) == DIT_OK, "%s", error.message)) continue;
    const json_value *list = json_member(c, "tensors");
    if (list->count > 11)
      CHECK(m.count == list->count, "%s: %d tensors instead of %d", spec, (int)m.count, (int)list->count);
    for (const json_value *t = list->child; t; t = t->next, tensors++) check_tensor(&m, t);
    content_free(&m);
  }
  CHECK(tensors > 170, "only %d tensors compared", (int)tensors);
  json_free(manifest);
  free(text);
}

/* The names of the published models stand for these geometries; others are refused. */
static void test_specifications(void) {
  static const struct {
    const char *text;
    double parameters; /* published, millions; 0: refused */
  } specs[] = {{"S/8:256", 33.1},
               {"B/4:256", 130.4},
               {"L/2:256", 458.1},
               {"XL/2:256", 675.1},
               {"XL/2:512", 675.1},
               {"vae", 83.65},
               {"M/2:256", 0},
               {"XL/2", 0},
               {"XL/2:100", 0},
               {"XL/2:256x", 0},
               {"XL/0:256", 0},
               {"dit:", 0},
               {"dit:hidden=16", 0},
               {"vae:", 0},
               {"vae:groups=8", 0},
               {"vae:blocks=32+64,groups=5", 0},
               {"vae:blocks=32,in=4,out=3", 0},
               {"dit:hidden=16,depth=1,heads=3", 0},
               {"dit:hidden=16,depth=1,heads=2,heads=2", 0},
               {"dit:hidden=16,depth=1,heads=2,x=1", 0},
               {"dit:hidden=16,depth=1,heads=2,", 0},
               {"dit:hidden=16,depth=99999999999,heads=2", 0},
               {"dit:hidden=16,depth=513,heads=2", 0}, /* the library refuses these, too */
               {"dit:hidden=16,depth=1,heads=2,patch=17,latent=17", 0},
               {"dit:hidden=16,depth=1,heads=2,latent=1026", 0},
               {"dit:hidden=16,depth=1,heads=2,in=65", 0},
               {"vae:blocks=32,in=5", 0},
               {"vae:blocks=32,layers=8", 0},
               {"vae:blocks=8192,groups=8", 0},
               {"", 0}};
  for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
    model_content m;
    dit_error error = {0, ""};
    memset(&m, 0, sizeof m);
    dit_status status = content_add_synthetic(&m, specs[i].text, &error);
    CHECK((status == DIT_OK) == (specs[i].parameters > 0), "%s: status %d, %s", specs[i].text, (int)status,
          error.message);
    double millions = (double)content_parameters(&m, m.has_dit ? NETWORK_TRANSFORMER : NETWORK_AUTOENCODER) / 1e6;
    if (!status)
      CHECK(fabs(millions - specs[i].parameters) < 0.06 + 0.001 * specs[i].parameters, "%s: %.2f M parameters",
            specs[i].text, millions);
    content_free(&m);
  }
}

/* ---- Types ---- */

static double half_value(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double value = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
  return bits & 0x8000 ? -value : value;
}

static double bfloat_value(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}

/* Whether no neighbour of the 16-bit number is nearer to the value, or as near and even. */
static int is_nearest(double (*value_of)(uint16_t), uint16_t bits, double value) {
  double distance = fabs(value_of(bits) - value);
  for (int step = -1; step <= 1; step += 2) {
    if ((bits & 0x7fff) == 0 && step < 0) continue;
    double other = fabs(value_of((uint16_t)(bits + step)) - value);
    if (other < distance || (other == distance && (bits & 1))) return 0;
  }
  return (value_of(bits) < 0) == (value < 0) || value_of(bits) == 0;
}

static void check_plain(const dit__gguf_tensor *t, const float *values) {
  size_t wrong = 0;
  for (uint64_t i = 0; i < t->count; i++) {
    uint16_t bits;
    if (t->type == DIT__GGUF_F32) {
      wrong += memcmp(t->data + 4 * i, values + i, 4) != 0;
      continue;
    }
    memcpy(&bits, t->data + 2 * i, 2);
    wrong += !is_nearest(t->type == DIT__GGUF_F16 ? half_value : bfloat_value, bits, values[i]);
  }
  CHECK(wrong == 0, "%s: %d of %d values are not the nearest", t->name, (int)wrong, (int)t->count);
}

static void check_q8(const dit__gguf *g, const dit__gguf_tensor *t, const float *values) {
  char name[80];
  snprintf(name, sizeof name, "%s.scale", t->name);
  const dit__gguf_tensor *s = dit__gguf_find(g, name);
  if (!CHECK(s && s->type == DIT__GGUF_F32 && s->rank == 1 && s->count == t->shape[0], "%s is missing or wrong", name))
    return;
  size_t columns = (size_t)t->shape[1], wrong = 0, wrong_scales = 0;
  for (size_t r = 0; r < t->shape[0]; r++) {
    float most = 0, scale;
    for (size_t i = 0; i < columns; i++)
      most = fabsf(values[r * columns + i]) > most ? fabsf(values[r * columns + i]) : most;
    memcpy(&scale, s->data + 4 * r, 4);
    wrong_scales += scale != most / 127;
    for (size_t i = 0; i < columns; i++) {
      int q = (int8_t)t->data[r * columns + i];
      double exact = (double)values[r * columns + i] / scale, off = fabs(exact - q);
      wrong += q < -127 || off > 0.5 || (off == 0.5 && q % 2 != 0);
    }
  }
  CHECK(wrong == 0 && wrong_scales == 0, "%s: %d values and %d scales are wrong", t->name, (int)wrong,
        (int)wrong_scales);
}

static uint32_t expected_type(const dit__tensor *t, int type) {
  static const char *const large[] = {"attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight",
                                      "adaLN_modulation.1.weight"};
  if (type == DIT_TYPE_F32) return DIT__GGUF_F32;
  if (type == DIT_TYPE_F16) return DIT__GGUF_F16;
  if (type == DIT_TYPE_BF16) return DIT__GGUF_BF16;
  for (int i = 0; i < 5; i++)
    if (strncmp(t->name, "vae.", 4) && strstr(t->name, large[i])) return DIT__GGUF_I8;
  return t->rank == 1 ? DIT__GGUF_F32 : DIT__GGUF_F16;
}

static void check_contents(const model_content *m, const dit__gguf *g, int type) {
  uint64_t place = 0;
  for (size_t i = 0; i < m->count; i++) {
    const dit__tensor *e = &m->tensors[i].tensor;
    const dit__gguf_tensor *t = dit__gguf_tensor_at(g, place++);
    if (!CHECK(t && strcmp(t->name, e->name) == 0, "%s is not where it must be", e->name)) return;
    CHECK(t->rank == e->rank && memcmp(t->shape, e->shape, sizeof t->shape) == 0, "%s: another shape", e->name);
    if (!CHECK(t->type == expected_type(e, type), "%s: type %d", e->name, (int)t->type)) return;
    float *values = (float *)malloc((size_t)t->count * sizeof(float));
    content_read(m, &m->tensors[i], 0, t->count, values);
    if (t->type == DIT__GGUF_I8)
      check_q8(g, t, values), place++;
    else
      check_plain(t, values);
    free(values);
  }
  CHECK(place == dit__gguf_tensor_count(g), "%d tensors too many", (int)(dit__gguf_tensor_count(g) - place));
}

static void test_types(void) {
  for (int type = DIT_TYPE_F32; type <= DIT_TYPE_Q8; type++) {
    model_content m;
    convert_options options;
    dit_error error = {0, ""};
    dit__file file;
    dit__gguf *g = NULL;
    uint64_t bytes = 0;
    const char *path = in_folder("typed.gguf");
    memset(&m, 0, sizeof m);
    memset(&options, 0, sizeof options);
    options.type = type;
    options.guidance = -1;
    CHECK(!content_add_synthetic(&m, "dit:hidden=48,depth=2,heads=3,patch=2,latent=6,in=3,classes=7,sigma=1", &error) &&
              !content_add_synthetic(&m, "vae:blocks=8+16,layers=1,groups=4,in=4,latent=3", &error) &&
              !model_write(&m, &options, path, NULL, &bytes, &error),
          "%s", error.message);
    if (!CHECK(!dit__file_open(path, DIT_LOAD_READ, NULL, &file, &error), "%s", error.message)) return;
    CHECK(file.size == bytes, "%d bytes instead of %d", (int)file.size, (int)bytes);
    if (CHECK(!dit__gguf_open(file.bytes, file.size, NULL, &g, &error), "%s", error.message))
      check_contents(&m, g, type);
    dit__gguf_close(g, NULL);
    dit__file_close(&file, NULL);
    content_free(&m);
  }
  count_files(1);
}

/* Ties, limits and signs, which random weights hardly meet. */
static void test_rounding(void) {
  static const struct {
    float value;
    uint16_t half, bfloat;
  } cases[] = {{0, 0, 0},
               {-0.0f, 0x8000, 0x8000},
               {1, 0x3c00, 0x3f80},
               {0x1.002p0f, 0x3c00, 0x3f80}, /* half-way to the next half: to the even one, below */
               {0x1.006p0f, 0x3c02, 0x3f80}, /* likewise, above */
               {0x1.01p0f, 0x3c04, 0x3f80},  /* half-way between two bfloats, below */
               {-0x1.03p0f, 0xbc0c, 0xbf82}, /* above */
               {65504, 0x7bff, 0x4780},
               {65519, 0x7bff, 0x4780},        /* the last that does not become infinite */
               {0x1p-14f, 0x0400, 0x3880},     /* the least normal half */
               {0x1.ff8p-15f, 0x03ff, 0x3880}, /* the greatest subnormal */
               {0x1.ffcp-15f, 0x0400, 0x3880}, /* carried into the normal ones */
               {0x1p-24f, 0x0001, 0x3380},
               {0x1.8p-24f, 0x0002, 0x33c0}, /* ties among subnormals */
               {0x1p-25f, 0x0000, 0x3300},
               {-0x1.000002p-25f, 0x8001, 0xb300}};
  static const float row[] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -126.5f, -127};
  static const int8_t expected[] = {127, 0, 2, 2, 0, -2, -126, -127};
  static const float zeroes[8] = {0};
  dit_error error;
  uint16_t bits;
  int8_t q[8];
  float scale = -1;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    encode_values("t", DIT__GGUF_F16, &cases[i].value, 1, &bits, &error);
    CHECK(bits == cases[i].half, "%a as f16: 0x%04x instead of 0x%04x", (double)cases[i].value, bits, cases[i].half);
    encode_values("t", DIT__GGUF_BF16, &cases[i].value, 1, &bits, &error);
    CHECK(bits == cases[i].bfloat, "%a as bf16: 0x%04x instead of 0x%04x", (double)cases[i].value, bits,
          cases[i].bfloat);
  }
  CHECK(encode_q8("t", row, 1, 8, q, &scale, &error) == DIT_OK && scale == 1 && !memcmp(q, expected, 8), "ties in q8");
  CHECK(encode_q8("t", zeroes, 1, 8, q, &scale, &error) == DIT_OK && scale == 0 && !memcmp(q, "\0\0\0\0\0\0\0", 8),
        "a row of zeroes in q8");
}

/* ---- The program ---- */

static void test_checkpoints(void) {
  static const struct {
    const char *path, *type, *spec, *extra, *value, *found;
  } cases[] = {{CHECKPOINTS "dit_f32.pt", "f32", SMALL_DIT, "--heads", "2", "f32"},
               {CHECKPOINTS "dit_f32.pt", "f16", SMALL_DIT, "--heads", "2", "DiT 16x1x2/2"},
               {CHECKPOINTS "dit_f32.pt", "bf16", SMALL_DIT, "--heads", "2", "3 classes"},
               {CHECKPOINTS "dit_f32.pt", "q8", SMALL_DIT, "--heads", "2", "learned"},
               {CHECKPOINTS "dit_train_f16.pt", "f16", SMALL_DIT, "--heads", "2", "ema"},
               {CHECKPOINTS "dit_ema_bf16.pt", "bf16", SMALL_DIT, "--heads", "2", "bf16"},
               {CHECKPOINTS "dit_bf16.safetensors", "bf16", SMALL_DIT, "--heads", "2", "safetensors"},
               {CHECKPOINTS "dit_f16.safetensors", "f16", "dit:hidden=16,depth=1,heads=2,latent=4,classes=3,sigma=0",
                "--heads", "2", "fixed"},
               {CHECKPOINTS "vae_f16", "f16", SMALL_VAE, "--name", "AutoencoderKL", "widths 8, 8"},
               {CHECKPOINTS "vae_f32.safetensors", "f32", SMALL_VAE, "--groups", "4", "0.18215"},
               {CHECKPOINTS "vae_f32.safetensors", "q8", SMALL_VAE, "--groups", "4", "AutoencoderKL"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *a = in_folder("a.gguf"), *b = in_folder("b.gguf");
    CHECK(RUN(cases[i].path, "--family", "dit", "--type", cases[i].type, cases[i].extra, cases[i].value, "-o", a) == 0,
          "%s: %s", cases[i].path, output);
    CHECK(strstr(output, cases[i].found) != NULL, "%s: does not say %s:\n%s", cases[i].path, cases[i].found, output);
    CHECK(RUN("--synthetic", cases[i].spec, "--type", cases[i].type, "-o", b, "--quiet") == 0 && !*output, "%s: %s",
          cases[i].spec, output);
    equal_files(cases[i].path, a, b);
    CHECK(count_files(1) == 2, "%s: files are left", cases[i].path);
  }
  /* Both in one file, the autoencoder first; one of them may be synthetic. */
  CHECK(RUN("--vae", CHECKPOINTS "vae_f32.safetensors", "--dit", CHECKPOINTS "dit_f32.pt", "--family", "dit",
            "--groups", "4", "--heads", "2", "-o", in_folder("a.gguf")) == 0,
        "%s", output);
  CHECK(RUN("--synthetic", SMALL_VAE, "--synthetic", SMALL_DIT, "-o", in_folder("b.gguf")) == 0, "%s", output);
  equal_files("both", in_folder("a.gguf"), in_folder("b.gguf"));
  CHECK(RUN(CHECKPOINTS "vae_f16", "--synthetic", SMALL_DIT, "-o", in_folder("a.gguf")) == 0, "%s", output);
  CHECK(count_files(1) == 2, "files are left");
}

/* ---- Keys ---- */

static void check_text(const dit__gguf *g, const char *key, const char *want) {
  const char *text = "";
  size_t length = 0;
  CHECK(dit__gguf_string(g, key, &text, &length, NULL) == 1 && length == strlen(want) && !memcmp(text, want, length),
        "%s is \"%.*s\", not \"%s\"", key, (int)length, text, want);
}

static void check_number(const dit__gguf *g, const char *key, double want) {
  double value = NAN;
  CHECK(dit__gguf_real(g, key, &value, NULL) == 1 && value == want, "%s is %.17g, not %.17g", key, value, want);
}

static void check_keys(const char *path, int changed) {
  dit__file file;
  dit__gguf *g;
  dit_error error = {0, ""};
  static const struct {
    const char *key;
    double usual, changed;
  } numbers[] = {{"general.alignment", 64, 64},
                 {"dit.format", 1, 1},
                 {"dit.hidden_size", 16, 16},
                 {"dit.depth", 1, 1},
                 {"dit.heads", 2, 2},
                 {"dit.patch", 2, 2},
                 {"dit.latent_size", 4, 4},
                 {"dit.in_channels", 4, 4},
                 {"dit.class_count", 3, 4},
                 {"dit.null_class", 3, -1},
                 {"dit.learned_sigma", 1, 1},
                 {"dit.mlp_size", 64, 64},
                 {"dit.beta_start", 0.0001, 0.0001},
                 {"dit.beta_end", 0.02, 0.02},
                 {"dit.timesteps", 1000, 1000},
                 {"dit.steps", 250, 20},
                 {"dit.guidance", 4, 1},
                 {"dit.guidance_channels", 3, -1},
                 {"vae.layers", 1, 1},
                 {"vae.groups", 4, 4},
                 {"vae.image_channels", 3, 3},
                 {"vae.latent_channels", 4, 4},
                 {"vae.scaling_factor", 0.18215, 0.5}};
  if (!CHECK(!dit__file_open(path, DIT_LOAD_READ, NULL, &file, &error), "%s", error.message)) return;
  if (CHECK(!dit__gguf_open(file.bytes, file.size, NULL, &g, &error), "%s", error.message)) {
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
      check_number(g, numbers[i].key, changed ? numbers[i].changed : numbers[i].usual);
    check_text(g, "general.architecture", "dit");
    check_text(g, "general.name", changed ? "Gr\xc3\xbc\xc3\x9f" : "DiT 16x1x2/2");
    check_text(g, "dit.forward", "official");
    check_text(g, "dit.beta_schedule", "linear");
    check_text(g, "dit.sampler", changed ? "ddim" : "ddpm");
    check_text(g, "dit.spacing", changed ? "ddim" : "even");
    const char *text;
    size_t length;
    uint64_t count = 0, cursor = 0;
    int64_t width = 0;
    CHECK(dit__gguf_array(g, "vae.block_channels", &count, NULL) == 1 && count == 2 &&
              dit__gguf_array_integer(g, "vae.block_channels", 1, &width) && width == 8,
          "vae.block_channels");
    CHECK(dit__gguf_string(g, "general.license", &text, &length, NULL) == changed, "general.license");
    CHECK(dit__gguf_array(g, "dit.labels", &count, NULL) == changed, "dit.labels");
    if (changed) {
      check_text(g, "general.license", "CC0-1.0");
      CHECK(count == 4 && dit__gguf_array_string(g, "dit.labels", &cursor, &text, &length) && length == 3 &&
                !memcmp(text, "one", 3),
            "first label");
      CHECK(dit__gguf_array_string(g, "dit.labels", &cursor, &text, &length) && length == 9 &&
                !memcmp(text, "zw\xc3\xb6lf, x", 9),
            "second label of %d bytes", (int)length);
    }
    dit__gguf_close(g, NULL);
  }
  dit__file_close(&file, NULL);
}

static void test_keys(void) {
  const char *labels = in_folder("labels.txt"), *out = in_folder("k.gguf");
  static const char lines[] = "\xef\xbb\xbfone\r\nzw\xc3\xb6lf, x\nthree\nfour\n";
  CHECK(RUN("--synthetic", SMALL_DIT, CHECKPOINTS "vae_f16", "-o", out) == 0, "%s", output);
  check_keys(out, 0);
  save(labels, lines, sizeof lines - 1);
  CHECK(RUN("--synthetic", SMALL_DIT, CHECKPOINTS "vae_f16", "-o", out, "--name", "Gr\xc3\xbc\xc3\x9f",
            "--license=CC0-1.0", "--steps", "20", "--sampler", "ddim", "--guidance-channels", "all", "--scaling-factor",
            "0.5", "--no-null-class", "--labels", labels) == 0,
        "%s", output);
  check_keys(out, 1);
  count_files(1);
}

/* ---- Preview ---- */

/* --fit-preview adds one key and changes nothing else, at once or later, and again. */
static void test_preview(void) {
  const char *a = in_folder("a.gguf"), *b = in_folder("b.gguf");
  dit__file file;
  dit__gguf *g;
  dit_error error = {0, ""};
  model_content m;
  uint64_t count = 0;
  double value = 0, sum = 0;
  CHECK(RUN("--synthetic", SMALL_DIT, "--synthetic", SMALL_VAE, "-o", a) == 0, "%s", output);
  CHECK(RUN("--synthetic", SMALL_DIT, "--synthetic", SMALL_VAE, "--fit-preview", "-o", b) == 0, "%s", output);
  CHECK(RUN("--fit-preview", a) == 0, "%s", output);
  equal_files("fitted later", a, b);
  CHECK(RUN("--fit-preview", a, "--quiet", "--long") == 0 && !*output, "%s", output);
  equal_files("fitted again", a, b);
  CHECK(count_files(0) == 2, "files are left");
  memset(&m, 0, sizeof m);
  CHECK(!content_add_synthetic(&m, SMALL_DIT, &error) && !content_add_synthetic(&m, SMALL_VAE, &error), "%s",
        error.message);
  if (!CHECK(!dit__file_open(a, DIT_LOAD_READ, NULL, &file, &error), "%s", error.message)) return;
  if (CHECK(!dit__gguf_open(file.bytes, file.size, NULL, &g, &error), "%s", error.message)) {
    CHECK(dit__gguf_array(g, "dit.preview", &count, NULL) == 1 && count == 3 * 5, "%d numbers", (int)count);
    for (uint64_t i = 0; i < count; i++) {
      CHECK(dit__gguf_array_real(g, "dit.preview", i, &value) && fabs(value) < 10, "number %d is %g", (int)i, value);
      sum += fabs(value);
    }
    CHECK(sum > 0.01, "an empty map");
    check_contents(&m, g, DIT_TYPE_F16);
    dit__gguf_close(g, NULL);
  }
  dit__file_close(&file, NULL);
  content_free(&m);
  CHECK(RUN("--synthetic", SMALL_DIT, "-o", a) == 0, "%s", output);
  CHECK(RUN("--synthetic", SMALL_DIT, "-o", b) == 0, "%s", output);
  CHECK(RUN("--fit-preview", a) == 1 && strstr(output, "autoencoder"), "%s", output);
  equal_files("without an autoencoder", a, b);
  CHECK(count_files(1) == 2, "files are left");
}

/* ---- Failures ---- */

/* A safetensors file of the small transformer, with one tensor left out, renamed or of another shape. */
static void save_safetensors(const char *path, const char *skip, const char *reshape, const char *extra, float first) {
  static char header[16384];
  static float values[65536];
  model_content m;
  dit_error error;
  memset(&m, 0, sizeof m);
  CHECK(!content_add_synthetic(&m, SMALL_DIT, &error), "%s", error.message);
  size_t used = 8, offset = 0;
  used += (size_t)snprintf(header + used, sizeof header - used, "{");
  for (size_t i = 0; i < m.count; i++) {
    const dit__tensor *t = &m.tensors[i].tensor;
    size_t count = (size_t)elements(t);
    if (strcmp(t->name, skip) == 0) continue;
    content_read(&m, &m.tensors[i], 0, count, values + offset);
    if (i == 1) values[offset] = first;
    used += (size_t)snprintf(header + used, sizeof header - used, "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[",
                             used > 9 ? "," : "", t->name, strcmp(t->name, extra) ? "" : ".other");
    if (strcmp(t->name, reshape) == 0) used += (size_t)snprintf(header + used, sizeof header - used, "1,");
    for (uint32_t k = 0; k < t->rank; k++)
      used += (size_t)snprintf(header + used, sizeof header - used, "%s%d", k ? "," : "", (int)t->shape[k]);
    used += (size_t)snprintf(header + used, sizeof header - used, "],\"data_offsets\":[%d,%d]}", (int)(4 * offset),
                             (int)(4 * (offset + count)));
    offset += count;
  }
  header[used++] = '}';
  uint64_t length = used - 8;
  memcpy(header, &length, 8);
  FILE *f = fopen(path, "wb");
  CHECK(f && fwrite(header, 1, used, f) == used && fwrite(values, 4, offset, f) == offset, "%s cannot be written",
        path);
  if (f) fclose(f);
  content_free(&m);
}

static void test_damaged(void) {
  const char *out = in_folder("out.gguf"), *in = in_folder("in.safetensors");
  size_t size;
  save_safetensors(in, "", "", "", 0.25f);
  CHECK(RUN(in, "--family", "dit", "--heads", "2", "-o", out) == 0 && count_files(0) == 2, "%s", output);
  remove(out);
  refused("no family", RUN(in, "--heads", "2", "-o", out), "--family|sit");
  refused("no heads", RUN(in, "--family", "dit", "-o", out), "--heads");
  refused("wrong heads", RUN(in, "-o", out, "--family", "dit", "--heads", "3"), "heads");
  save_safetensors(in, "blocks.0.mlp.fc2.bias", "", "", 0);
  refused("missing", RUN(in, "--family", "dit", "--heads", "2", "-o", out), "missing: blocks.0.mlp.fc2.bias|1 missing");
  save_safetensors(in, "", "blocks.0.attn.proj.weight", "", 0);
  refused("shape", RUN(in, "--family", "dit", "--heads", "2", "-o", out),
          "blocks.0.attn.proj.weight is [1, 16, 16], expected [16, 16]");
  save_safetensors(in, "", "", "t_embedder.mlp.2.bias", 0);
  refused("surplus", RUN(in, "--family", "dit", "--heads", "2", "-o", out),
          "surplus: t_embedder.mlp.2.bias.other|missing: t_embedder.mlp.2.bias");
  save_safetensors(in, "", "", "", NAN);
  refused("NaN", RUN(in, "--family", "dit", "--heads", "2", "-o", out), "x_embedder.proj.weight|finite");
  save_safetensors(in, "", "", "", 65520);
  refused("overflow", RUN(in, "--family", "dit", "--heads", "2", "-o", out), "x_embedder.proj.weight|f16");
  CHECK(RUN(in, "--family", "dit", "--heads", "2", "--type", "bf16", "-o", out) == 0, "%s", output);
  remove(out);
  save_safetensors(in, "pos_embed", "", "", 0);
  refused("positions", RUN(in, "--family", "dit", "--heads", "2", "-o", out), "pos_embed|--latent");
  CHECK(RUN(in, "--family", "dit", "--heads", "2", "--latent", "4", "--type", "f32", "-o", out) == 0, "%s", output);
  remove(out);
  uint8_t *whole = load(CHECKPOINTS "dit_f32.pt", &size);
  for (size_t part = 1; whole && part < 8; part++) {
    save(in, whole, size * part / 8);
    refused("cut", RUN(in, "--family", "dit", "--heads", "2", "-o", out), "in.safetensors");
  }
  free(whole);
  remove(in);
  CHECK(count_files(1) == 0, "files are left");
}

/* A copy of the autoencoder's folder with other settings. */
static void test_config(void) {
  static const char *const cases[][2] = {{"\"layers_per_block\": 2", "layers_per_block"},
                                         {"\"block_out_channels\": [8, 16]", "block_out_channels"},
                                         {"\"latent_channels\": 8", "latent_channels"},
                                         {"\"in_channels\": 4", "in_channels"},
                                         {"\"norm_num_groups\": 3", "groups"},
                                         {"\"norm_num_groups\": 4, \"scaling_factor\": 0", NULL},
                                         {"\"norm_num_groups\": 4, \"scaling_factor\": \"x\"", "scaling_factor"},
                                         {"\"norm_num_groups\": 4, \"act_fn\": \"relu\"", "act_fn"},
                                         {"\"norm_num_groups\": 4, \"shift_factor\": 0.1", "shift_factor"},
                                         {"\"sample_size\": 9", "--groups"}};
  size_t size;
  char text[256], vae[80], path[128];
  const char *out = in_folder("out.gguf");
  snprintf(vae, sizeof vae, "%s.vae", folder);
  mkdir(vae, 0700);
  uint8_t *weights = load(CHECKPOINTS "vae_f16/diffusion_pytorch_model.safetensors", &size);
  if (!CHECK(weights != NULL, "the fixture is missing")) return;
  snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", vae);
  save(path, weights, size);
  free(weights);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    snprintf(path, sizeof path, "%s/config.json", vae);
    snprintf(text, sizeof text, "{\"_class_name\": \"AutoencoderKL\", %s}", cases[i][0]);
    save(path, text, strlen(text));
    int status = RUN(vae, "-o", out);
    if (cases[i][1])
      refused(cases[i][0], status, cases[i][1]);
    else
      CHECK(status == 0, "%s: %s", cases[i][0], output);
    CHECK(count_files(1) == (cases[i][1] ? 0 : 1), "%s: files", cases[i][0]);
  }
  remove(path);
  snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", vae);
  remove(path);
  rmdir(vae);
}

static void test_impossible(void) {
  const char *out = in_folder("out.gguf"), *labels = in_folder("labels.txt");
  refused("no folder", RUN("--synthetic", SMALL_DIT, "-o", "/nowhere/x.gguf"), "/nowhere/x.gguf");
  refused("a folder", RUN("--synthetic", SMALL_DIT, "-o", folder), folder);
  refused("a device", RUN("--synthetic", SMALL_DIT, "-o", "/dev/null"), "/dev/null");
  refused("no input", RUN("/nowhere/x.pt", "-o", out), "/nowhere/x.pt");
  refused("two", RUN("--synthetic", SMALL_DIT, CHECKPOINTS "dit_f32.pt", "--family", "dit", "--heads", "2", "-o", out),
          "second");
  refused("kinds", RUN("--vae", CHECKPOINTS "dit_f32.pt", "--family", "dit", "--heads", "2", "-o", out),
          "not an autoencoder");
  refused("pair", RUN("--synthetic", SMALL_DIT, "--synthetic", "vae:blocks=8,groups=4,latent=8", "-o", out), "8");
  refused("steps", RUN("--synthetic", SMALL_DIT, "--timestep-spacing", "ddim", "--steps", "999", "-o", out), "999");
  refused("null class", RUN("--synthetic", SMALL_DIT, "--no-null-class", "--guidance-scale", "2", "-o", out),
          "null class");
  refused("channels", RUN("--synthetic", SMALL_DIT, "--guidance-channels", "5", "-o", out), "5");
  refused("preview", RUN("--synthetic", SMALL_DIT, "--fit-preview", "-o", out), "autoencoder");
  save(labels, "one\ntwo\n", 8);
  refused("too few labels", RUN("--synthetic", SMALL_DIT, "--labels", labels, "-o", out), "2 labels for 3 classes");
  save(labels, "one\n\nthree\n", 11);
  refused("an empty label", RUN("--synthetic", SMALL_DIT, "--labels", labels, "-o", out), "line 2");
  save(labels, "one\ntw\xff\nthree\n", 14);
  refused("not UTF-8", RUN("--synthetic", SMALL_DIT, "--labels", labels, "-o", out), "UTF-8");
  CHECK(count_files(1) == 1, "files are left");
  static const char *const wrong[][2] = {{"--type", "f8"},    {"--steps", "0"},           {"--steps", "1001"},
                                         {"--steps", "5x"},   {"--guidance-scale", "-1"}, {"--guidance-scale", "nan"},
                                         {"--heads", "1e9"},  {"--sampler", "eulr"},      {"--name", "\xff"},
                                         {"--nonsense", "1"}, {"--timestep-spacing", ""}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    CHECK(RUN("--synthetic", SMALL_DIT, wrong[i][0], wrong[i][1], "-o", out) == 2 && strstr(output, wrong[i][0]),
          "%s %s: %s", wrong[i][0], wrong[i][1], output);
  CHECK(RUN("--synthetic", SMALL_DIT) == 2 && strstr(output, "-o FILE"), "no output: %s", output);
  CHECK(RUN("-o", out) == 2 && strstr(output, "input"), "no input: %s", output);
  CHECK(RUN("-o") == 2, "no value: %s", output);
  CHECK(RUN("--help") == 0 && strstr(output, "--synthetic"), "help: %s", output);
  CHECK(RUN("--version") == 0 && strstr(output, "dit-convert "), "version: %s", output);
  CHECK(count_files(1) == 0, "files are left");
}

/* Stopped while it writes 2.7 GB, or out of space: no file stays, and the memory stays small. */
static void test_stopped(void) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
  const char *out = in_folder("out.gguf");
  for (int i = 0; i < 3; i++) {
    pid_t child = start((const char *const[]){"--synthetic", "XL/2:256", "--type", "f32", "-o", out, NULL});
    for (int wait = 0; wait < 500 && count_files(0) == 0; wait++) usleep(10000);
    usleep(50000);
    kill(child, signals[i]);
    const int status = finish(child);
    CHECK(status == 128 + signals[i] && strstr(output, "interrupted"), "signal %d: exit status %d: %s", signals[i],
          status, output);
    CHECK(count_files(1) == 0, "files are left after signal %d", signals[i]);
  }
  struct rlimit kept, limit;
  getrlimit(RLIMIT_FSIZE, &kept);
  limit = kept;
  limit.rlim_cur = 100000;
  save(in_folder("old.gguf"), "old", 3);
  setrlimit(RLIMIT_FSIZE, &limit);
  int status = RUN("--synthetic", "S/8:256", "-o", in_folder("old.gguf"));
  setrlimit(RLIMIT_FSIZE, &kept);
  refused("a full disk", status, "old.gguf");
  size_t size;
  uint8_t *old = load(in_folder("old.gguf"), &size);
  CHECK(old && size == 3 && count_files(1) == 1, "the file that was there is gone, or another is left");
  free(old);

#if SANITIZED
  SKIP("64 MB are too little for a sanitizer itself");
#else /* anonymous memory: a 130 MB file within 64 MB, chunks and buffers included */
  getrlimit(RLIMIT_DATA, &kept);
  limit = kept;
  limit.rlim_cur = 64 << 20;
  setrlimit(RLIMIT_DATA, &limit);
  status = RUN("--synthetic", "S/8:256", "--type", "f32", "-o", out);
  setrlimit(RLIMIT_DATA, &kept);
  CHECK(status == 0, "within 64 MB: %s", output);
#endif
  count_files(1);
}

int main(int count, char **arguments) {
  if (getenv("DIT_CONVERT")) program = getenv("DIT_CONVERT");
  if (count > 1) program = arguments[1];
  snprintf(folder, sizeof folder, "/tmp/dit-test-convert-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  test_rule();
  test_specifications();
  test_rounding();
  test_types();
  if (!CHECK(access(program, X_OK) == 0, "%s is not there; make builds it", program)) return test_end("convert");
  test_checkpoints();
  test_keys();
  test_preview();
  test_damaged();
  test_config();
  test_impossible();
  test_stopped();
  rmdir(folder);
  return test_end("convert");
}
