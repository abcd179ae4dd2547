/* Damaged and hostile checkpoints in PyTorch's format from before version 1.6 (weights/convert/read/legacy.h), and model
 * files that go into the converter (model_file.h). Fails if one of them is accepted or refused without saying what is
 * wrong, if a sound file made here from the format's description is refused, or if reading one does harm, which a
 * sanitizer sees: every buffer has its exact size on the heap, and whatever is accepted is read to its last element. */
#include "tests/test.h"

#include "tests/synthetic.h"
#include "weights/convert/read/legacy.h"
#include "weights/convert/read/model_file.h"
#include "weights/convert/shape/names.h"

#define GOLDEN "tests/golden/torch/"

typedef struct buffer {
  uint8_t bytes[4096];
  size_t size;
} buffer;

static void put(buffer *b, const void *bytes, size_t size) {
  if (b->size + size > sizeof b->bytes) abort();
  memcpy(b->bytes + b->size, bytes, size);
  b->size += size;
}

static void put_number(buffer *b, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++, value >>= 8) put(b, &(uint8_t){(uint8_t)value}, 1);
}

#define PUT(b, text) put(b, text, sizeof(text) - 1)

static void put_text(buffer *b, const char *text) {
  PUT(b, "X");
  put_number(b, strlen(text), 4);
  put(b, text, strlen(text));
}

static void put_integer(buffer *b, int64_t value) {
  PUT(b, "\x8a\x08");
  put_number(b, (uint64_t)value, 8);
}

typedef dit_status reader(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error);

static float first_number; /* of the tensor that was listed last */

/* Lists a copy, brings its names to the official ones and reads all tensors. */
static dit_status list(reader *read, const uint8_t *bytes, size_t size, dit_error *error, size_t *count) {
  uint8_t *copy = (uint8_t *)malloc(size + !size);
  char note[256];
  checkpoint s;
  memset(&s, 0, sizeof s);
  memset(error, 0, sizeof *error);
  if (size) memcpy(copy, bytes, size);
  dit_status status = read(copy, size, "file", &s, error);
  CHECK(!status || strncmp(error->message, "file: ", 6) == 0, "'%s' does not name the file", error->message);
  if (!status) status = names_canonicalize(&s, note, sizeof note, error);
  *count = s.count;
  for (size_t i = 0; i < s.count; i++) {
    const checkpoint_tensor *t = &s.tensors[i];
    uint64_t n = checkpoint_elements(t);
    if (!status && CHECK(n <= size, "%s has %llu elements", t->name, (unsigned long long)n)) {
      float *values = (float *)malloc((size_t)n * 4 + 4);
      checkpoint_read(t, 0, n, values);
      first_number = n ? values[0] : 0;
      free(values);
    }
    free(t->name);
  }
  free(s.tensors);
  dit__gguf_close(s.model_file, NULL);
  free(copy);
  CHECK((status == DIT_OK) == (error->message[0] == 0), "status %d with message '%s'", status, error->message);
  return status;
}

/* ---- A file, made from the format's description ---- */

typedef struct described {
  int64_t version, stored, listed; /* stored: what the tensor says; listed: what stands before the bytes */
  const char *storage, *key;       /* of the tensor */
  const char *keys[3];             /* of the list */
  const char *view_key;            /* NULL: no view */
  int64_t view_offset, view_size, offset;
  int big, bytes;
  const char *tail;
} described;

static const described sound = {1001, 6, 6, "torch\nFloatStorage\n", "7", {"7", NULL, NULL}, NULL, 0, 0, 0, 0, 24, ""};

static void make(buffer *b, const described *d) {
  b->size = 0;
  PUT(b, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
  PUT(b, "\x80\x02");
  put_integer(b, d->version);
  PUT(b, ".\x80\x02}(");
  put_text(b, "protocol_version");
  put_integer(b, 1001);
  put_text(b, "little_endian");
  put(b, d->big ? "\x89" : "\x88", 1);
  PUT(b, "u.\x80\x02}");
  put_text(b, "w");
  PUT(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
  put_text(b, "storage");
  PUT(b, "c");
  put(b, d->storage, strlen(d->storage));
  put_text(b, d->key);
  put_text(b, "cpu");
  put_integer(b, d->stored);
  if (d->view_key) {
    put_text(b, d->view_key);
    put_integer(b, d->view_offset);
    put_integer(b, d->view_size);
    PUT(b, "\x87");
  } else {
    PUT(b, "N");
  }
  PUT(b, "tQ");
  put_integer(b, d->offset);
  PUT(b,
      "K\x02K\x03\x86K\x03K\x01\x86\x89"
      "ccollections\nOrderedDict\n)RtRs.");
  PUT(b, "\x80\x02](");
  for (int i = 0; i < 3 && d->keys[i]; i++) put_text(b, d->keys[i]);
  PUT(b, "e.");
  for (int i = 0; i < 3 && d->keys[i]; i++) {
    put_number(b, (uint64_t)d->listed, 8);
    for (int k = 0; k < d->bytes; k++) put_number(b, (uint64_t)k % 64, 1);
  }
  put(b, d->tail, strlen(d->tail));
}

static void refuse(const described *d, const char *fragment) {
  buffer b;
  dit_error error;
  size_t count;
  make(&b, d);
  dit_status status = list(legacy_list, b.bytes, b.size, &error, &count);
  CHECK(status < 0 && strstr(error.message, fragment), "expected '%s', got %d '%s'", fragment, status, error.message);
}

static void accept(const described *d, const char *what) {
  buffer b;
  dit_error error;
  size_t count;
  make(&b, d);
  CHECK(list(legacy_list, b.bytes, b.size, &error, &count) == DIT_OK && count == 1, "%s: %s", what, error.message);
}

static void test_made(void) {
  described d = sound;
  accept(&d, "a sound file");
  d.version = 1000;
  refuse(&d, "version is not 1001");
  d = sound;
  d.big = 1;
  accept(&d, "a big-endian machine writes little-endian numbers");
  d = sound;
  d.tail = "x";
  refuse(&d, "follows its end");
  d = sound;
  d.storage = "os\nsystem\n";
  refuse(&d, "wants to call os.system");
  d.storage = "torch\nSize\n";
  refuse(&d, "listed that no tensor has");
  d.storage = "torch\nDoubleStorage\n";
  refuse(&d, "cut off");
  d = sound;
  d.keys[0] = "8";
  refuse(&d, "listed that no tensor has");
  d.keys[0] = NULL;
  refuse(&d, "not in the file");
}

static void test_sizes(void) {
  described d = sound;
  d.keys[1] = "7";
  refuse(&d, "listed twice");
  d = sound;
  d.listed = 5;
  refuse(&d, "another size");
  d.stored = 5;
  refuse(&d, "follows its end");
  d.bytes = 20;
  refuse(&d, "more elements than its storage");
  d = sound;
  d.stored = d.listed = INT64_MAX;
  refuse(&d, "cut off");
  d.stored = d.listed = ((int64_t)1 << 62) + 6; /* times 4 it wraps to the right size */
  refuse(&d, "cut off");
  d.stored = d.listed = -1;
  refuse(&d, "listed that no tensor has");
  d = sound;
  d.bytes = 23;
  refuse(&d, "cut off");
  d = sound;
  d.offset = 1;
  refuse(&d, "reaches beyond");
  d.offset = -1;
  refuse(&d, "impossible offset");
  d.offset = INT64_MAX;
  refuse(&d, "reaches beyond");
}

/* Storages within storages, as old versions had them. */
static void test_views(void) {
  described d = sound;
  d.view_key = "9";
  d.view_size = 6;
  accept(&d, "a view of the whole");
  d.view_offset = 1;
  refuse(&d, "malformed storage");
  d.view_offset = 0;
  d.view_size = 5;
  refuse(&d, "more elements than its storage");
  d.view_size = -1;
  refuse(&d, "malformed storage");
  d.view_size = INT64_MAX;
  refuse(&d, "malformed storage");
  d.view_offset = INT64_MAX;
  refuse(&d, "malformed storage");
  d.view_offset = -1;
  d.view_size = 6;
  refuse(&d, "malformed storage");
  d = sound;
  d.view_key = "9";
  d.stored = d.listed = 8;
  d.bytes = 32;
  d.view_offset = 2;
  d.view_size = 6;
  accept(&d, "a view of the end");
  const uint8_t bytes[4] = {8, 9, 10, 11}; /* of the third number of 8 */
  CHECK(memcmp(&first_number, bytes, 4) == 0, "the view begins with %a", (double)first_number);
}

/* ---- Damage ---- */

static uint8_t *load(const char *path, size_t *size) {
  static uint8_t bytes[1 << 20];
  FILE *f = fopen(path, "rb");
  *size = f ? fread(bytes, 1, sizeof bytes, f) : 0;
  if (f) fclose(f);
  CHECK(*size > 0 && *size < sizeof bytes, "%s cannot be read", path);
  return bytes;
}

/* Every cut is refused; changes are refused or harmless. */
static void test_damage(reader *read, const char *path, size_t step) {
  size_t size, count;
  uint8_t *bytes = load(path, &size);
  dit_error error;
  CHECK(list(read, bytes, size, &error, &count) == DIT_OK, "%s: %s", path, error.message);
  for (size_t cut = 0; cut < size; cut += cut < 300 ? 1 : step)
    CHECK(list(read, bytes, cut, &error, &count) < 0, "%s: the first %zu bytes are accepted", path, cut);
  for (size_t i = 0; i < size; i += step) {
    static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x20};
    for (size_t k = 0; k < sizeof flips; k++) {
      bytes[i] ^= flips[k];
      list(read, bytes, size, &error, &count);
      bytes[i] ^= flips[k];
    }
  }
}

/* ---- Model files ---- */

static void replace(uint8_t *bytes, size_t size, const char *from, const char *to) {
  size_t length = strlen(from);
  for (size_t i = 0; i + length <= size; i++)
    if (memcmp(bytes + i, from, length) == 0) memcpy(bytes + i, to, length);
}

static void test_model_files(void) {
  char path[512];
  size_t size, count;
  dit_error error;
  CHECK(synthetic_file(synthetic_path(path, sizeof path, "model"), "dit:hidden=8,depth=1,heads=1,latent=2,classes=2",
                       NULL, DIT_TYPE_Q8),
        "no model file");
  test_damage(model_file_list, path, 7);
  uint8_t *bytes = load(path, &size);
  replace(bytes, size, "blocks.0.attn.qkv.weight.scale", "blocks.0.attn.qkv.weight.scala");
  CHECK(list(model_file_list, bytes, size, &error, &count) == DIT_ERROR_FORMAT &&
            strstr(error.message, "without its scales"),
        "int8 without scales: %s", error.message);
  bytes = load(path, &size);
  for (size_t i = 0; i + 23 <= size; i++) /* general.architecture: type string, length 3 */
    if (memcmp(bytes + i, "architecture\x08\0\0\0\x03", 17) == 0) memcpy(bytes + i + 24, "bert", 3);
  CHECK(list(model_file_list, bytes, size, &error, &count) == DIT_ERROR_UNSUPPORTED &&
            strstr(error.message, "another kind of model"),
        "another architecture: %s", error.message);
  remove(path);
}

int main(void) {
  test_made();
  test_sizes();
  test_views();
  test_damage(legacy_list, GOLDEN "legacy.pt", 1);
  test_damage(legacy_list, GOLDEN "legacy_train2.pt", 5);
  test_damage(legacy_list, GOLDEN "legacy_train4.pt", 5);
  test_model_files();
  return test_end("hostile legacy");
}
