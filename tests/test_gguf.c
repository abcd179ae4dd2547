/* The model file's reader and writer (weights/gguf.c, weights/gguf_write.c).
 * Fails if a sound file is not read as it was built, byte for byte and at any alignment; if a hostile, cut or damaged
 * one is accepted, crashes, or is refused without naming the key or tensor; if more than one block is allocated; or if
 * the writer's file differs from its specification or leaves a temporary file behind. The files are built here, byte
 * by byte from the GGUF specification, not by the writer. */
#ifndef _WIN32
#define _DEFAULT_SOURCE /* mkdtemp, opendir */
#endif

#include "tests/test.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/core/little_endian.h"
#include "lib/core/platform.h"
#include "lib/model/gguf.h"
#include "weights/convert/write/gguf_write.h"

/* ---- Building files ---- */

typedef struct file {
  uint8_t bytes[4096];
  size_t size;
} file;

static void put(file *f, const void *bytes, size_t size) {
  memcpy(f->bytes + f->size, bytes, size);
  f->size += size;
}
static void put_u8(file *f, uint8_t v) { put(f, &v, 1); }
static void put_u32(file *f, uint32_t v) {
  uint8_t bytes[sizeof v];
  copy_le(bytes, &v, sizeof v, 1);
  put(f, bytes, sizeof bytes);
}
static void put_u64(file *f, uint64_t v) {
  uint8_t bytes[sizeof v];
  copy_le(bytes, &v, sizeof v, 1);
  put(f, bytes, sizeof bytes);
}
static void put_text(file *f, const char *text) {
  put_u64(f, strlen(text));
  put(f, text, strlen(text));
}
static void put_start(file *f, uint64_t tensors, uint64_t keys) {
  f->size = 0;
  put(f, "GGUF", 4);
  put_u32(f, 3);
  put_u64(f, tensors);
  put_u64(f, keys);
}
static void put_tensor(file *f, const char *name, uint32_t rank, uint64_t a, uint64_t b, uint32_t type,
                       uint64_t offset) {
  put_text(f, name);
  put_u32(f, rank);
  for (uint32_t i = 0; i < rank && i < 8; i++) put_u64(f, i == 0 ? a : i == 1 ? b : 1);
  put_u32(f, type);
  put_u64(f, offset);
}
static void put_data(file *f, uint64_t alignment, size_t size) {
  while (f->size % alignment) put_u8(f, 0);
  for (size_t i = 0; i < size; i++) put_u8(f, (uint8_t)(i * 37 + 11));
}

/* A file with a key of every type and a tensor of every type; ends with its last tensor's last byte. */
static void build_sound(file *f) {
  put_start(f, 4, 15);
  put_text(f, "general.alignment"), put_u32(f, 4), put_u32(f, 64);
  put_text(f, "k.u8"), put_u32(f, 0), put_u8(f, 200);
  put_text(f, "k.i8"), put_u32(f, 1), put_u8(f, 0xfe);
  put_text(f, "k.u16"), put_u32(f, 2), put_u8(f, 0x34), put_u8(f, 0x12);
  put_text(f, "k.i16"), put_u32(f, 3), put_u8(f, 0xff), put_u8(f, 0xff);
  put_text(f, "k.i32"), put_u32(f, 5), put_u32(f, 0xffffffffu);
  put_text(f, "k.f32"), put_u32(f, 6), put_u32(f, 0x3fc00000u);
  put_text(f, "k.bool"), put_u32(f, 7), put_u8(f, 1);
  put_text(f, "k.text"), put_u32(f, 8), put_text(f, "gr\xc3\xbc\xc3\x9f");
  put_text(f, "k.u64"), put_u32(f, 10), put_u64(f, 0x8000000000000000u);
  put_text(f, "k.i64"), put_u32(f, 11), put_u64(f, (uint64_t)-5);
  put_text(f, "k.f64"), put_u32(f, 12), put_u64(f, 0x3fd5555555555555u);
  put_text(f, "k.texts"), put_u32(f, 9), put_u32(f, 8), put_u64(f, 3), put_text(f, "a"), put_text(f, ""),
      put_text(f, "bc");
  put_text(f, "k.numbers"), put_u32(f, 9), put_u32(f, 4), put_u64(f, 2), put_u32(f, 32), put_u32(f, 64);
  put_text(f, "k.reals"), put_u32(f, 9), put_u32(f, 6), put_u64(f, 2), put_u32(f, 0x3f800000u), put_u32(f, 0x7f800000u);
  put_tensor(f, "z.weight", 2, 3, 5, DIT__GGUF_F32, 0);   /* shape [5, 3] */
  put_tensor(f, "a.weight", 1, 7, 1, DIT__GGUF_F16, 192); /* a hole of 64 bytes before it */
  put_tensor(f, "m", 4, 2, 3, DIT__GGUF_I8, 64);
  put_tensor(f, "b", 1, 2, 1, DIT__GGUF_BF16, 256);
  put_data(f, 64, 260);
}

/* ---- Opening ---- */

static int blocks, calls;
static size_t block_size;

static void *DIT_CALL counted_allocate(void *user, size_t size, size_t alignment) {
  (void)alignment;
  calls++;
  if (user) return NULL; /* a host without memory */
  blocks++;
  block_size = size;
  return malloc(size);
}
static void DIT_CALL counted_release(void *user, void *block, size_t size) {
  (void)user;
  CHECK(size == block_size, "released %zu bytes of %zu", size, block_size);
  blocks--;
  free(block);
}
static dit_options counted(void *user) {
  dit_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.user = user;
  options.allocate = counted_allocate;
  options.release = counted_release;
  return options;
}

/* Opens an exact copy, so that AddressSanitizer sees a byte too many being read. */
static dit_status open_copy(const uint8_t *bytes, size_t size, int visit, dit_error *error) {
  uint8_t *copy = (uint8_t *)malloc(size ? size : 1);
  dit_options hooks = counted(NULL);
  dit__gguf *g;
  memcpy(copy, bytes, size);
  calls = 0;
  error->status = 0;
  error->message[0] = 0;
  dit_status status = dit__gguf_open(copy, size, &hooks, &g, error);
  CHECK(calls <= 1, "%d calls of allocate", calls);
  CHECK((status == DIT_OK) == (g != NULL), "status %d with file %p", (int)status, (void *)g);
  CHECK(status == error->status, "the error holds %d instead of %d", (int)error->status, (int)status);
  CHECK(status == DIT_OK || error->message[0], "no message");
  uint64_t sum = 0, cursor, count;
  for (uint64_t i = 0; g && visit && i < dit__gguf_tensor_count(g); i++) { /* touch all that can be reached */
    const dit__gguf_tensor *t = dit__gguf_tensor_at(g, i);
    for (uint64_t k = 0; k < t->count * dit__gguf_type_size(t->type); k++) sum += t->data[k];
    CHECK(dit__gguf_find(g, t->name) == t, "%s is not found", t->name);
  }
  size_t length, record;
  const char *name, *text;
  for (uint64_t i = 0; g && visit && dit__gguf_key_at(g, i, &name, &length, &record); i++) {
    char key[4096];
    double real;
    memcpy(key, name, length);
    key[length] = 0;
    if (dit__gguf_array(g, key, &count, NULL) == 1) {
      for (cursor = 0; dit__gguf_array_string(g, key, &cursor, &text, &length);) sum += length ? (uint8_t)text[0] : 0;
      for (uint64_t k = 0; k < count; k++) dit__gguf_array_real(g, key, k, &real);
    } else if (dit__gguf_string(g, key, &text, &length, NULL) == 1) {
      for (size_t k = 0; k < length; k++) sum += (uint8_t)text[k];
    } else {
      dit__gguf_real(g, key, &real, NULL);
    }
  }
  dit__gguf_close(g, &hooks);
  CHECK(blocks == 0, "%d blocks are left", blocks);
  free(copy);
  (void)sum;
  return status;
}

/* The file is refused with a message that has all of `names` ("a|b"). */
static void refused(const file *f, const char *what, const char *names) {
  dit_error error;
  char parts[128], *part;
  dit_status status = open_copy(f->bytes, f->size, 0, &error);
  CHECK(status == DIT_ERROR_FORMAT || status == DIT_ERROR_UNSUPPORTED, "%s: status %d", what, (int)status);
  snprintf(parts, sizeof parts, "%s", names);
  for (part = strtok(parts, "|"); part; part = strtok(NULL, "|"))
    CHECK(strstr(error.message, part) != NULL, "%s: \"%s\" does not name %s", what, error.message, part);
}

/* ---- Sound files ---- */

static void check_keys(const dit__gguf *g) {
  int64_t n = 0;
  double x = 0;
  const char *text = NULL;
  size_t length = 0;
  static const struct {
    const char *key;
    int64_t value;
  } integers[] = {{"k.u8", 200}, {"k.i8", -2},  {"k.u16", 0x1234}, {"k.i16", -1},
                  {"k.i32", -1}, {"k.bool", 1}, {"k.i64", -5},     {"general.alignment", 64}};
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
    CHECK(dit__gguf_integer(g, integers[i].key, INT64_MIN, INT64_MAX, &n, NULL) == 1 && n == integers[i].value,
          "%s: %lld", integers[i].key, (long long)n);
  CHECK(dit__gguf_real(g, "k.f32", &x, NULL) == 1 && x == 1.5, "f32: %g", x);
  CHECK(dit__gguf_real(g, "k.f64", &x, NULL) == 1 && x == 1.0 / 3, "f64: %g", x);
  CHECK(dit__gguf_real(g, "k.u8", &x, NULL) == 1 && x == 200, "integer as a real: %g", x);
  CHECK(
      dit__gguf_string(g, "k.text", &text, &length, NULL) == 1 && length == 6 && !memcmp(text, "gr\xc3\xbc\xc3\x9f", 6),
      "string of %zu bytes", length);
  n = 77;
  CHECK(dit__gguf_integer(g, "k.none", 0, 1, &n, NULL) == 0 && n == 77, "an absent key");
  uint64_t count = 0, cursor = 0;
  CHECK(dit__gguf_array(g, "k.texts", &count, NULL) == 1 && count == 3, "%d strings", (int)count);
  CHECK(dit__gguf_array_string(g, "k.texts", &cursor, &text, &length) && length == 1 && text[0] == 'a', "first string");
  CHECK(dit__gguf_array_string(g, "k.texts", &cursor, &text, &length) && length == 0, "empty string");
  CHECK(dit__gguf_array_string(g, "k.texts", &cursor, &text, &length) && length == 2 && !memcmp(text, "bc", 2),
        "third");
  CHECK(!dit__gguf_array_string(g, "k.texts", &cursor, &text, &length), "a fourth string");
  cursor = 0;
  CHECK(!dit__gguf_array_string(g, "k.numbers", &cursor, &text, &length), "numbers read as strings");
  CHECK(dit__gguf_array_integer(g, "k.numbers", 1, &n) && n == 64, "second number: %lld", (long long)n);
  CHECK(!dit__gguf_array_integer(g, "k.numbers", 2, &n), "a number beyond the end");
  CHECK(!dit__gguf_array_integer(g, "k.reals", 0, &n), "a real read as an integer");
  CHECK(dit__gguf_array_real(g, "k.reals", 0, &x) && x == 1, "first real: %g", x);
  CHECK(!dit__gguf_array_real(g, "k.reals", 1, &x), "an infinity");
  CHECK(!dit__gguf_array_real(g, "k.texts", 0, &x), "a string read as a real");
}

static void check_tensors(const dit__gguf *g, const uint8_t *data) {
  static const struct {
    const char *name;
    uint32_t type, rank;
    uint64_t shape[4], count, offset;
  } expected[] = {{"z.weight", DIT__GGUF_F32, 2, {5, 3, 1, 1}, 15, 0},
                  {"a.weight", DIT__GGUF_F16, 1, {7, 1, 1, 1}, 7, 192},
                  {"m", DIT__GGUF_I8, 4, {1, 1, 3, 2}, 6, 64},
                  {"b", DIT__GGUF_BF16, 1, {2, 1, 1, 1}, 2, 256}};
  CHECK(dit__gguf_tensor_count(g) == 4, "%d tensors", (int)dit__gguf_tensor_count(g));
  for (int i = 0; i < 4; i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(g, (uint64_t)i);
    CHECK(!strcmp(t->name, expected[i].name) && t->type == expected[i].type && t->rank == expected[i].rank &&
              !memcmp(t->shape, expected[i].shape, sizeof t->shape) && t->count == expected[i].count &&
              t->data == data + expected[i].offset,
          "tensor %s", expected[i].name);
    CHECK(dit__gguf_find(g, expected[i].name) == t, "%s is not found", t->name);
  }
  CHECK(!dit__gguf_find(g, "") && !dit__gguf_find(g, "a") && !dit__gguf_find(g, "zz") && !dit__gguf_tensor_at(g, 4),
        "a tensor that is not there");
}

static void test_sound(void) {
  static file f;
  static uint8_t copy[sizeof f.bytes + 8];
  dit_options hooks = counted(NULL);
  dit_error error;
  build_sound(&f);
  for (size_t shift = 0; shift < 8; shift++) {
    dit__gguf *g;
    memcpy(copy + shift, f.bytes, f.size);
    if (!CHECK(dit__gguf_open(copy + shift, f.size, &hooks, &g, &error) == DIT_OK, "%s", error.message)) return;
    CHECK(dit__gguf_memory(g) == block_size, "an index of %zu bytes said to be %zu", block_size, dit__gguf_memory(g));
    check_keys(g);
    check_tensors(g, copy + shift + f.size - 260);
    dit__gguf_close(g, &hooks);
  }
  dit__gguf_close(NULL, &hooks);
  dit__gguf *g = (dit__gguf *)(void *)&f;
  hooks = counted(&f);
  CHECK(dit__gguf_open(f.bytes, f.size, &hooks, &g, &error) == DIT_ERROR_MEMORY && !g, "no memory, yet a file");
  put_data(&f, 1, 100);
  CHECK(open_copy(f.bytes, f.size, 1, &error) == DIT_OK, "trailing bytes: %s", error.message);
  f.bytes[4] = 2;
  CHECK(open_copy(f.bytes, f.size, 1, &error) == DIT_OK, "version 2: %s", error.message);
  put_start(&f, 0, 0);
  CHECK(open_copy(f.bytes, f.size, 1, &error) == DIT_OK, "an empty model: %s", error.message);
}

/* ---- Attacks: the cases of the published CVEs of model readers ---- */

static void attack_tensor(const char *what, uint32_t rank, uint64_t a, uint64_t b, uint32_t type, uint64_t offset) {
  static file f;
  put_start(&f, 1, 0);
  put_tensor(&f, "evil.weight", rank, a, b, type, offset);
  put_data(&f, 32, 128);
  refused(&f, what, "evil.weight");
}

static void attack_counts(const char *what, uint64_t tensors, uint64_t keys, const char *names) {
  static file f;
  build_sound(&f);
  copy_le(f.bytes + 8, &tensors, 8, 1);
  copy_le(f.bytes + 16, &keys, 8, 1);
  refused(&f, what, names);
}

/* A single key, whose value is `count` and then `tail` bytes. */
static void attack_key(const char *what, uint32_t type, uint32_t element, uint64_t count, size_t tail) {
  static file f;
  put_start(&f, 0, 1);
  put_text(&f, "evil.key");
  put_u32(&f, type);
  if (type == DIT__KEY_ARRAY) put_u32(&f, element);
  put_u64(&f, count);
  put_data(&f, 1, tail);
  refused(&f, what, "evil.key");
}

static void attack_alignment(const char *what, uint32_t type, uint32_t value) {
  static file f;
  put_start(&f, 1, 1);
  put_text(&f, "general.alignment"), put_u32(&f, type), put_u32(&f, value);
  if (type == DIT__KEY_STRING) put_u32(&f, 0);
  put_tensor(&f, "t", 1, 4, 1, DIT__GGUF_F32, 0);
  put_data(&f, 64, 64);
  refused(&f, what, "general.alignment");
}

static void attack_pair(const char *what, const char *a, uint64_t a_offset, const char *b, uint64_t b_offset,
                        const char *names) {
  static file f;
  put_start(&f, 2, 0);
  put_tensor(&f, a, 1, 16, 1, DIT__GGUF_F32, a_offset);
  put_tensor(&f, b, 1, 16, 1, DIT__GGUF_F32, b_offset);
  put_data(&f, 32, 256);
  refused(&f, what, names);
}

static void test_attacks(void) {
  static file f;
  /* 1: products that wrap to zero, negative extents, no extent */
  attack_tensor("2^32 x 2^32", 2, (uint64_t)1 << 32, (uint64_t)1 << 32, DIT__GGUF_I8, 0);
  attack_tensor("-1", 1, UINT64_MAX, 1, DIT__GGUF_F32, 0);
  attack_tensor("-1 bytes", 1, UINT64_MAX, 1, DIT__GGUF_I8, 0);
  attack_tensor("-1 x -1", 2, UINT64_MAX, UINT64_MAX, DIT__GGUF_F32, 0);
  attack_tensor("extent 0", 2, 0, 4, DIT__GGUF_F32, 0);
  /* 2: bytes that wrap */
  attack_tensor("(2^42+1) x 2^20 x 4", 2, ((uint64_t)1 << 42) + 1, (uint64_t)1 << 20, DIT__GGUF_F32, 0);
  attack_tensor("2^62 x 4", 1, (uint64_t)1 << 62, 1, DIT__GGUF_F32, 0);
  attack_tensor("2^63 x 2", 1, (uint64_t)1 << 63, 1, DIT__GGUF_F16, 0);
  /* 3: rank */
  attack_tensor("rank 0", 0, 0, 0, DIT__GGUF_F32, 0);
  attack_tensor("rank 5", 5, 1, 1, DIT__GGUF_F32, 0);
  attack_tensor("rank 8", 8, 1, 1, DIT__GGUF_F32, 0);
  attack_tensor("rank 2^32-1", UINT32_MAX, 1, 1, DIT__GGUF_F32, 0);
  /* 4: counts */
  attack_counts("2^64-1 keys", 0, UINT64_MAX, "key count");
  attack_counts("2^60 keys", 0, (uint64_t)1 << 60, "key count");
  attack_counts("65537 keys", 0, 65537, "key count|65536");
  attack_counts("more keys than fit", 0, 1000, "key count");
  attack_counts("2^64-1 tensors", UINT64_MAX, 0, "tensor count");
  attack_counts("2^58 tensors", (uint64_t)1 << 58, 0, "tensor count");
  attack_counts("65537 tensors", 65537, 0, "tensor count|65536");
  attack_counts("more tensors than fit", 60, 0, "tensor count");
  attack_counts("a key more than there are", 4, 16, "tensor 1");
  /* 5: lengths of strings and arrays */
  attack_key("string of 2^64-1", DIT__KEY_STRING, 0, UINT64_MAX, 16);
  attack_key("string of 1 GiB", DIT__KEY_STRING, 0, 1 << 30, 16);
  attack_key("string a byte too long", DIT__KEY_STRING, 0, 17, 16);
  attack_key("array of 2^64-1 bytes", DIT__KEY_ARRAY, DIT__KEY_U8, UINT64_MAX, 16);
  attack_key("array whose bytes wrap", DIT__KEY_ARRAY, DIT__KEY_F64, ((uint64_t)1 << 61) + 1, 16);
  attack_key("array of 2^61 strings", DIT__KEY_ARRAY, DIT__KEY_STRING, (uint64_t)1 << 61, 16);
  attack_key("array of a string too long", DIT__KEY_ARRAY, DIT__KEY_STRING, 1, 16);
  attack_key("array of arrays", DIT__KEY_ARRAY, DIT__KEY_ARRAY, 1, 64);
  attack_key("array of type 13", DIT__KEY_ARRAY, 13, 1, 64);
  attack_key("type 13", 13, 0, 1, 64);
  put_start(&f, 0, 1), put_u64(&f, UINT64_MAX), put_data(&f, 1, 64);
  refused(&f, "key name of 2^64-1 bytes", "key 1");
  put_start(&f, 1, 0), put_u64(&f, UINT64_MAX), put_data(&f, 1, 64);
  refused(&f, "tensor name of 2^64-1 bytes", "tensor 1");
  /* 6: alignment and sums that wrap */
  attack_alignment("alignment 0", DIT__KEY_U32, 0);
  attack_alignment("alignment 4", DIT__KEY_U32, 4);
  attack_alignment("alignment 48", DIT__KEY_U32, 48);
  attack_alignment("alignment 8192", DIT__KEY_U32, 8192);
  attack_alignment("alignment 2^31", DIT__KEY_U32, 0x80000000u);
  attack_alignment("alignment -64", DIT__KEY_I32, (uint32_t)-64);
  attack_alignment("alignment as a real", DIT__KEY_F32, 0x42800000u);
  attack_alignment("alignment as a string", DIT__KEY_STRING, 0);
  attack_tensor("offset 2^64-32", 1, 16, 1, DIT__GGUF_F32, UINT64_MAX - 31);
  /* 7: data beyond the end */
  attack_tensor("one extent too many", 1, 33, 1, DIT__GGUF_F32, 0);
  attack_tensor("offset at the end", 1, 1, 1, DIT__GGUF_F32, 128);
  attack_tensor("offset far beyond", 1, 1, 1, DIT__GGUF_F32, (uint64_t)1 << 40);
  attack_tensor("offset not aligned", 1, 1, 1, DIT__GGUF_F32, 4);
  /* 10: overlaps, duplicates, names */
  attack_pair("overlap", "left", 0, "right", 32, "left|right");
  attack_pair("overlap in reverse order", "left", 32, "right", 0, "left|right");
  attack_pair("two in one place", "left", 64, "right", 64, "left|right");
  attack_pair("a tensor twice", "same", 0, "same", 64, "same");
  attack_pair("an empty name", "", 0, "b", 64, "tensor 1");
  attack_pair("a name of 64 bytes", "b", 0, "0123456789012345678901234567890123456789012345678901234567890123", 64,
              "tensor 2|0123456789");
  attack_pair("a line break in a name", "b", 0, "x\ny", 64, "tensor 2|x?y");
  attack_tensor("type Q8_0", 1, 32, 1, 8, 0);
  attack_tensor("type 31", 1, 32, 1, 31, 0);
  put_start(&f, 0, 2);
  put_text(&f, "same.key"), put_u32(&f, 4), put_u32(&f, 1), put_text(&f, "same.key"), put_u32(&f, 4), put_u32(&f, 2);
  refused(&f, "a key twice", "same.key");
}

/* 8 and 9: numbers that a cast to 32 bits would cut, or that count more than there is. */
static void test_ranges(void) {
  static file f;
  dit__gguf *g;
  dit_error error;
  int64_t n = 5;
  double x = 5;
  const char *text;
  size_t length;
  uint64_t count;
  put_start(&f, 0, 5);
  put_text(&f, "dit.depth"), put_u32(&f, 10), put_u64(&f, ((uint64_t)1 << 32) + 1);
  put_text(&f, "dit.heads"), put_u32(&f, 10), put_u64(&f, UINT64_MAX);
  put_text(&f, "dit.patch"), put_u32(&f, 5), put_u32(&f, (uint32_t)-2);
  put_text(&f, "dit.guidance"), put_u32(&f, 6), put_u32(&f, 0x7fc00000u);
  put_text(&f, "general.name"), put_u32(&f, 8), put_text(&f, "7");
  if (!CHECK(dit__gguf_open(f.bytes, f.size, NULL, &g, &error) == DIT_OK, "%s", error.message)) return;
  static const char *const keys[] = {"dit.depth", "dit.heads", "dit.patch", "dit.guidance", "general.name"};
  for (int i = 0; i < 5; i++)
    CHECK(dit__gguf_integer(g, keys[i], 0, 1024, &n, &error) < 0 && n == 5 && strstr(error.message, keys[i]),
          "%s: %lld, %s", keys[i], (long long)n, error.message);
  CHECK(dit__gguf_real(g, "dit.guidance", &x, &error) < 0 && x == 5 && strstr(error.message, "dit.guidance"), "NaN: %g",
        x);
  CHECK(dit__gguf_string(g, "dit.depth", &text, &length, &error) < 0 && strstr(error.message, "dit.depth"),
        "no string");
  CHECK(dit__gguf_array(g, "dit.depth", &count, &error) < 0 && strstr(error.message, "dit.depth"), "no array");
  dit__gguf_close(g, NULL);
}

static void refused_text(const char *what, const char *text, size_t length) {
  static file f;
  put_start(&f, 0, 1);
  put_text(&f, "evil.text"), put_u32(&f, 8), put_u64(&f, length), put(&f, text, length);
  refused(&f, what, "evil.text");
}

static void test_wrong_kinds(void) {
  static file f;
  build_sound(&f);
  f.bytes[4] = 1;
  refused(&f, "version 1", "version 1");
  f.bytes[4] = 4;
  refused(&f, "version 4", "version 4");
  f.bytes[4] = 0, f.bytes[7] = 3;
  refused(&f, "big-endian", "big-endian");
  f.bytes[0] = 'g';
  refused(&f, "another magic", "GGUF");
  memcpy(f.bytes, "PK\3\4", 4);
  refused(&f, "a zip file", "dit-convert");
  f.size = 0;
  refused(&f, "nothing", "GGUF");
  refused_text("a zero in a string", "a\0b", 3);
  refused_text("a lone continuation", "\x80", 1);
  refused_text("an overlong slash", "\xc0\xaf", 2);
  refused_text("a surrogate", "\xed\xa0\x80", 3);
  refused_text("beyond Unicode", "\xf4\x90\x80\x80", 4);
  refused_text("half a character", "\xe2\x82", 2);
  put_start(&f, 0, 1);
  put_text(&f, "evil.bool"), put_u32(&f, 7), put_u8(&f, 7);
  refused(&f, "a bool of 7", "evil.bool");
}

/* ---- Damage ---- */

static void test_damage(void) {
  static file f;
  dit_error error;
  build_sound(&f);
  for (size_t size = 0; size < f.size; size++)
    CHECK(open_copy(f.bytes, size, 0, &error) < 0, "cut to %zu of %zu bytes and accepted", size, f.size);
  size_t header = f.size - 260;
  int accepted = 0;
  for (size_t at = 0; at < header; at++) {
    uint8_t kept = f.bytes[at];
    for (int change = 0; change < 11; change++) {
      f.bytes[at] = change < 8 ? (uint8_t)(kept ^ 1 << change) : change == 8 ? 0 : change == 9 ? 0xff : 0x7f;
      accepted += open_copy(f.bytes, f.size, 1, &error) == DIT_OK;
    }
    f.bytes[at] = kept;
  }
  printf("  %zu damaged headers, %d of them still sound\n", header * 11, accepted);
}

/* Many names with long common beginnings, and many tensors in one place, must not take quadratic time. */
static void test_many(void) {
  enum { COUNT = 65536 };
  size_t room = 24 + (size_t)COUNT * (8 + 20 + 4 + 8 + 4 + 8) + 32 + (size_t)COUNT * 32;
  uint8_t *bytes = (uint8_t *)calloc(1, room);
  size_t size = 24;
  uint64_t count = COUNT, extent = 1;
  uint32_t version = 3, rank = 1, type = DIT__GGUF_F32;
  memcpy(bytes, "GGUF", 4), copy_le(bytes + 4, &version, 4, 1), copy_le(bytes + 8, &count, 8, 1);
  for (uint64_t i = 0; i < COUNT; i++) {
    uint64_t length = 20, offset = 32 * (COUNT - 1 - i);
    char name[24];
    snprintf(name, sizeof name, "tensor_number_%06u", (unsigned)(i * 40503 % COUNT));
    copy_le(bytes + size, &length, 8, 1), memcpy(bytes + size + 8, name, 20), copy_le(bytes + size + 28, &rank, 4, 1);
    copy_le(bytes + size + 32, &extent, 8, 1), copy_le(bytes + size + 40, &type, 4, 1),
        copy_le(bytes + size + 44, &offset, 8, 1);
    size += 52;
  }
  dit__gguf *g;
  dit_error error;
  const clock_t start = clock(); /* of this processor, which others may want as well */
  if (CHECK(dit__gguf_open(bytes, room, NULL, &g, &error) == DIT_OK, "%s", error.message)) {
    CHECK(dit__gguf_find(g, "tensor_number_065535") && !dit__gguf_find(g, "tensor_number_065536"), "finding");
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    CHECK(seconds < 5, "%g s for 65536 tensors", seconds);
    dit__gguf_close(g, NULL);
  }
  memcpy(bytes + 24 + 8, bytes + 24 + 52 * 30000 + 8, 20);
  CHECK(dit__gguf_open(bytes, room, NULL, &g, &error) < 0 && strstr(error.message, "tensor_number_"), "one name twice");
  free(bytes);
}

/* ---- Writing ---- */

static int files_in(const char *folder) {
  DIR *directory = opendir(folder);
  int count = 0;
  for (struct dirent *entry; directory && (entry = readdir(directory));) count += entry->d_name[0] != '.';
  if (directory) closedir(directory);
  return count;
}

static gguf_writer *begin_sample(const char *path, uint64_t *bytes, dit_error *error) {
  static const char *const labels[] = {"one", "zwei \xe2\x82\xac", ""};
  static const uint32_t blocks_of[] = {32, 64};
  static const float map[] = {0.5f, -1};
  static const uint64_t shape[] = {5, 3}, bias[] = {7};
  gguf_writer *w;
  if (gguf_writer_open(path, &w, error)) return NULL;
  gguf_writer_string(w, "general.name", "sample");
  gguf_writer_u32(w, "u32", 4000000000u);
  gguf_writer_i32(w, "i32", -1);
  gguf_writer_bool(w, "bool", 2);
  gguf_writer_f32(w, "f32", 0.1f);
  gguf_writer_f64(w, "f64", 0.1);
  gguf_writer_strings(w, "labels", labels, 3);
  gguf_writer_u32s(w, "blocks", blocks_of, 2);
  gguf_writer_f32s(w, "map", map, 2);
  gguf_writer_tensor(w, "w.weight", DIT__GGUF_F32, 2, shape);
  gguf_writer_tensor(w, "w.bias", DIT__GGUF_I8, 1, bias);
  if (!gguf_writer_begin(w, bytes, error)) return w;
  gguf_writer_abandon(w);
  return NULL;
}

static size_t read_file(const char *path, uint8_t *bytes, size_t room) {
  FILE *f = fopen(path, "rb");
  size_t size = f ? fread(bytes, 1, room, f) : 0;
  if (f) fclose(f);
  return size;
}

static void check_written(const uint8_t *bytes, size_t size, const uint8_t *data) {
  dit__gguf *g;
  dit_error error;
  int64_t n;
  double x;
  const char *text;
  size_t length;
  uint64_t cursor = 0, count;
  if (!CHECK(dit__gguf_open(bytes, size, NULL, &g, &error) == DIT_OK, "%s", error.message)) return;
  CHECK(dit__gguf_integer(g, "general.alignment", 0, 4096, &n, NULL) == 1 && n == 64, "alignment");
  CHECK(dit__gguf_string(g, "general.name", &text, &length, NULL) == 1 && length == 6 && !memcmp(text, "sample", 6),
        "name");
  CHECK(dit__gguf_integer(g, "u32", 0, INT64_MAX, &n, NULL) == 1 && n == 4000000000, "u32");
  CHECK(dit__gguf_integer(g, "i32", -1, 0, &n, NULL) == 1 && n == -1, "i32");
  CHECK(dit__gguf_integer(g, "bool", 0, 1, &n, NULL) == 1 && n == 1, "bool");
  CHECK(dit__gguf_real(g, "f32", &x, NULL) == 1 && x == 0.1f, "f32");
  CHECK(dit__gguf_real(g, "f64", &x, NULL) == 1 && x == 0.1, "f64");
  CHECK(dit__gguf_array(g, "labels", &count, NULL) == 1 && count == 3, "labels");
  CHECK(dit__gguf_array_string(g, "labels", &cursor, &text, &length) && length == 3, "first label");
  CHECK(dit__gguf_array_string(g, "labels", &cursor, &text, &length) && length == 8, "second label");
  CHECK(dit__gguf_array_integer(g, "blocks", 1, &n) && n == 64, "blocks");
  CHECK(dit__gguf_array_real(g, "map", 1, &x) && x == -1, "map");
  const dit__gguf_tensor *w = dit__gguf_find(g, "w.weight"), *b = dit__gguf_find(g, "w.bias");
  CHECK(w && w->rank == 2 && w->shape[0] == 5 && w->shape[1] == 3 && w->type == DIT__GGUF_F32, "w.weight");
  CHECK(b && b->rank == 1 && b->shape[0] == 7 && b->type == DIT__GGUF_I8, "w.bias");
  CHECK(w && (w->data - bytes) % 64 == 0 && !memcmp(w->data, data, 60), "the bytes of w.weight");
  CHECK(b && (b->data - bytes) % 64 == 0 && !memcmp(b->data, data + 60, 7), "the bytes of w.bias");
  dit__gguf_close(g, NULL);
}

static void test_writer(void) {
  static uint8_t data[67], bytes[8192];
  char folder[] = "/tmp/dit-test-gguf-XXXXXX", path[128];
  uint64_t expected;
  dit_error error;
  gguf_writer *w;
  if (!CHECK(mkdtemp(folder) != NULL, "no temporary folder")) return;
  snprintf(path, sizeof path, "%s/x.gguf", folder);
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 11 + 3);

  for (int round = 0; round < 2; round++) { /* the second replaces the first */
    if (!CHECK((w = begin_sample(path, &expected, &error)) != NULL, "%s", error.message)) return;
    CHECK(gguf_writer_data(w, data, 13, &error) == DIT_OK && gguf_writer_data(w, data + 13, 47, &error) == DIT_OK,
          "chunks");
    CHECK(gguf_writer_data(w, data, 8, &error) == DIT_ERROR_STATE, "a chunk beyond its tensor");
    CHECK(gguf_writer_data(w, data + 60, 7, &error) == DIT_OK, "last chunk");
    CHECK(gguf_writer_data(w, data, 1, &error) == DIT_ERROR_STATE, "a byte too many");
    CHECK(files_in(folder) == 1 + round, "the temporary file is beside the wanted one");
    CHECK(gguf_writer_finish(w, NULL, &error) == DIT_OK && files_in(folder) == 1, "%s", error.message);
    size_t size = read_file(path, bytes, sizeof bytes);
    CHECK(size == expected, "%zu bytes instead of %llu", size, (unsigned long long)expected);
    check_written(bytes, size, data);
  }
  remove(path);

  w = begin_sample(path, NULL, &error);
  CHECK(w && gguf_writer_data(w, data, 60, &error) == DIT_OK, "begun");
  CHECK(gguf_writer_finish(w, NULL, &error) == DIT_ERROR_STATE && files_in(folder) == 0, "unfinished, yet left");
  w = begin_sample(path, NULL, &error);
  gguf_writer_abandon(w);
  CHECK(w && files_in(folder) == 0, "abandoned, yet left");
  if (CHECK(gguf_writer_open(path, &w, &error) == DIT_OK, "%s", error.message)) {
    uint64_t shape = 1;
    gguf_writer_tensor(w, "0123456789012345678901234567890123456789012345678901234567890123", DIT__GGUF_F32, 1, &shape);
    CHECK(gguf_writer_begin(w, NULL, &error) == DIT_ERROR_UNSUPPORTED && strstr(error.message, "0123"),
          "a name of 64 bytes");
    gguf_writer_abandon(w);
  }
  CHECK(gguf_writer_open(folder, &w, &error) == DIT_ERROR_IO && !w, "a folder is replaced");
  CHECK(gguf_writer_open("/dev/null", &w, &error) == DIT_ERROR_IO && !w, "a device is replaced");
  CHECK(gguf_writer_open("/nowhere/at/all.gguf", &w, &error) == DIT_ERROR_IO && !w && strstr(error.message, "/nowhere"),
        "a folder that is not there");

  struct rlimit kept, limit; /* a full disk, as far as a process can be told of one */
  getrlimit(RLIMIT_FSIZE, &kept);
  signal(SIGXFSZ, SIG_IGN);
  limit = kept;
  limit.rlim_cur = 128;
  w = begin_sample(path, NULL, &error);
  setrlimit(RLIMIT_FSIZE, &limit);
  dit_status status = gguf_writer_data(w, data, 60, &error);
  if (!status) status = gguf_writer_data(w, data + 60, 7, &error);
  status = gguf_writer_finish(w, NULL, &error);
  setrlimit(RLIMIT_FSIZE, &kept);
  CHECK(status == DIT_ERROR_IO && files_in(folder) == 0, "full disk: status %d, %d files", (int)status,
        files_in(folder));
  rmdir(folder);
}

int main(void) {
  test_sound();
  test_attacks();
  test_ranges();
  test_wrong_kinds();
  test_damage();
  test_many();
  test_writer();
  return test_end("gguf");
}
