/* Checkpoints made to do harm, or damaged: attacks on the zip archive, on the pickle in it, and on the tensors it
 * describes (weights/convert/read/zip.h, pickle.h, torch.h).
 * Fails if one of them is accepted, or refused without saying what is wrong; if a sound archive made here from the
 * formats' descriptions is refused; or if a cut or changed file does harm, which a sanitizer sees: every buffer has its
 * exact size on the heap, and whatever is accepted is read to its last element. */
#include "tests/test.h"

#include "weights/convert/read/pickle.h"
#include "weights/convert/read/checkpoint.h"
#include "weights/convert/read/torch.h"
#include "weights/convert/read/zip.h"

#define GOLDEN "tests/golden/torch/"

/* ---- Bytes ---- */

typedef struct buffer {
  uint8_t *bytes;
  size_t size, room;
} buffer;

static void put(buffer *b, const void *bytes, size_t size) {
  if (b->size + size > b->room) {
    b->room = 2 * (b->size + size);
    b->bytes = (uint8_t *)realloc(b->bytes, b->room);
  }
  if (size) memcpy(b->bytes + b->size, bytes, size);
  b->size += size;
}

static void put_number(buffer *b, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++, value >>= 8) put(b, &(uint8_t){(uint8_t)value}, 1);
}

static void set_number(uint8_t *p, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) p[i] = (uint8_t)(value >> 8 * i);
}

static buffer read_file(const char *path) {
  buffer b = {NULL, 0, 0};
  uint8_t part[4096];
  FILE *f = fopen(path, "rb");
  if (!CHECK(f != NULL, "%s cannot be opened", path)) return b;
  for (size_t got; (got = fread(part, 1, sizeof part, f)) > 0;) put(&b, part, got);
  fclose(f);
  return b;
}

/* ---- Reading what was made ---- */

/* Lists a copy and reads all its tensors. The status; `*count` tensors were listed. */
static dit_status list(const uint8_t *bytes, size_t size, dit_error *error, size_t *count) {
  uint8_t *copy = (uint8_t *)malloc(size + !size);
  if (size) memcpy(copy, bytes, size);
  checkpoint s;
  memset(&s, 0, sizeof s);
  memset(error, 0, sizeof *error);
  dit_status status = torch_list(copy, size, "file", &s, error);
  for (size_t i = 0; i < s.count; i++) {
    const checkpoint_tensor *t = &s.tensors[i];
    uint64_t n = 1;
    for (int k = 0; k < t->rank; k++) n *= t->shape[k];
    if (!status && CHECK(n <= size, "%s has %llu elements", t->name, (unsigned long long)n)) {
      float *values = (float *)malloc((size_t)n * 4 + 4);
      checkpoint_read(t, 0, n, values);
      free(values);
    }
    free(t->name);
  }
  free(s.tensors);
  free(copy);
  *count = s.count;
  if (status != error->status || (status == DIT_OK) != (error->message[0] == 0)) {
    CHECK(0, "status %d with message '%s'", status, error->message);
  }
  return status;
}

static void accept(const buffer *b, size_t tensors, const char *what) {
  dit_error error;
  size_t count;
  dit_status status = list(b->bytes, b->size, &error, &count);
  CHECK(status == DIT_OK && count == tensors, "%s: %zu tensors, %s", what, count, error.message);
}

static void refuse(const buffer *b, dit_status expected, const char *fragment) {
  dit_error error;
  size_t count;
  dit_status status = list(b->bytes, b->size, &error, &count);
  CHECK(status == expected && strncmp(error.message, "file: ", 6) == 0 && strstr(error.message, fragment),
        "expected '%s', got %d '%s'", fragment, status, error.message);
}

/* ---- Zip archives ---- */

typedef struct archive {
  buffer file, directory;
  int count;
  int wide; /* write sizes and offsets as 64-bit extra fields */
} archive;

static uint32_t crc32_of(const uint8_t *bytes, size_t size) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

static void add(archive *a, const char *name, const void *bytes, size_t size) {
  size_t at = a->file.size, length = strlen(name);
  uint64_t shown = a->wide ? 0xffffffff : size;
  uint32_t crc = crc32_of((const uint8_t *)bytes, size);
  put(&a->file, "PK\3\4\24\0\0\0\0\0\0\0\0\0", 14);
  put_number(&a->file, crc, 4);
  put_number(&a->file, shown, 4);
  put_number(&a->file, shown, 4);
  put_number(&a->file, length, 2);
  put_number(&a->file, a->wide ? 25 : 0, 2);
  put(&a->file, name, length);
  if (a->wide) {
    put(&a->file, "FB\1\0x", 5); /* another extra field first */
    put(&a->file, "\1\0\20\0", 4);
    put_number(&a->file, size, 8);
    put_number(&a->file, size, 8);
  }
  put(&a->file, bytes, size);

  put(&a->directory, "PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0", 16);
  put_number(&a->directory, crc, 4);
  put_number(&a->directory, shown, 4);
  put_number(&a->directory, shown, 4);
  put_number(&a->directory, length, 2);
  put_number(&a->directory, a->wide ? 28 : 0, 2);
  put(&a->directory, "\0\0\0\0\0\0\0\0\0\0", 10);
  put_number(&a->directory, a->wide ? 0xffffffff : at, 4);
  put(&a->directory, name, length);
  if (a->wide) {
    put(&a->directory, "\1\0\30\0", 4);
    put_number(&a->directory, size, 8);
    put_number(&a->directory, size, 8);
    put_number(&a->directory, at, 8);
  }
  a->count++;
}

/* Writes the end; the archive is then in a->file. */
static buffer *finish(archive *a) {
  size_t at = a->file.size;
  put(&a->file, a->directory.bytes, a->directory.size);
  put(&a->file, "PK\5\6\0\0\0\0", 8);
  put_number(&a->file, (uint64_t)a->count, 2);
  put_number(&a->file, (uint64_t)a->count, 2);
  put_number(&a->file, a->directory.size, 4);
  put_number(&a->file, at, 4);
  put(&a->file, "\0\0", 2);
  free(a->directory.bytes);
  return &a->file;
}

/* A checkpoint with that pickle and a storage '0' of 24 bytes. */
static buffer pack_checkpoint(const buffer *pickled) {
  static const uint8_t storage[24] = {0};
  archive a;
  memset(&a, 0, sizeof a);
  add(&a, "x/data.pkl", pickled->bytes, pickled->size);
  add(&a, "x/version", "3\n", 2);
  add(&a, "x/data/0", storage, sizeof storage);
  return *finish(&a);
}

static void refuse_pickle(const buffer *pickled, dit_status status, const char *fragment) {
  buffer b = pack_checkpoint(pickled);
  refuse(&b, status, fragment);
  free(b.bytes);
}

/* ---- Pickles ---- */

static void text(buffer *b, const char *s) {
  put(b, "X", 1);
  put_number(b, strlen(s), 4);
  put(b, s, strlen(s));
}

static void integer(buffer *b, int64_t value) {
  put(b, "\212\10", 2);
  put_number(b, (uint64_t)value, 8);
}

static void extents(buffer *b, int count, const int64_t *values) {
  put(b, "(", 1);
  for (int i = 0; i < count; i++) integer(b, values[i]);
  put(b, "t", 1);
}

/* A tensor as torch.save writes it, with what an attack changes. */
typedef struct described {
  const char *function, *storage, *key; /* "torch._utils\n_rebuild_tensor_v2\n", "torch\nFloatStorage\n", "0" */
  int64_t stored, offset;               /* elements of the storage, and in front of the first one */
  int rank, strides;
  int64_t size[9], stride[9];
  const char *data_type; /* "torch\nfloat32\n" as seventh argument, or NULL */
} described;

static const described sound = {
    "torch._utils\n_rebuild_tensor_v2\n", "torch\nFloatStorage\n", "0", 6, 0, 2, 2, {2, 3}, {3, 1}, NULL};

static void tensor(buffer *b, const described *t) {
  put(b, "c", 1);
  put(b, t->function, strlen(t->function));
  put(b, "((", 2);
  text(b, "storage");
  put(b, "c", 1);
  put(b, t->storage, strlen(t->storage));
  text(b, t->key);
  text(b, "cpu");
  integer(b, t->stored);
  put(b, "tQ", 2);
  integer(b, t->offset);
  extents(b, t->rank, t->size);
  extents(b, t->strides, t->stride);
  put(b, "\211N", 2);
  if (t->data_type) {
    put(b, "c", 1);
    put(b, t->data_type, strlen(t->data_type));
  }
  put(b, "tR", 2);
}

/* {"w": tensor} as a checkpoint. */
static buffer one_tensor(const described *t) {
  buffer p = {NULL, 0, 0};
  put(&p, "\200\2}", 3);
  text(&p, "w");
  tensor(&p, t);
  put(&p, "s.", 2);
  buffer b = pack_checkpoint(&p);
  free(p.bytes);
  return b;
}

static void refuse_tensor(const described *t, const char *fragment) {
  buffer b = one_tensor(t);
  refuse(&b, DIT_ERROR_FORMAT, fragment);
  free(b.bytes);
}

static void accept_tensor(const described *t, size_t tensors, const char *what) {
  buffer b = one_tensor(t);
  accept(&b, tensors, what);
  free(b.bytes);
}

/* ---- Attacks on the archive ---- */

/* The n-th place (from 0) of a 4-byte mark. */
static uint8_t *find_mark(const buffer *b, const char *mark, int n) {
  for (size_t i = 0; i + 4 <= b->size; i++) {
    if (memcmp(b->bytes + i, mark, 4) == 0 && n-- == 0) return b->bytes + i;
  }
  CHECK(0, "no mark %d", n);
  return b->bytes;
}

/* Changes `bytes` bytes of smallest.pt behind a mark. */
static void patch(const char *mark, int n, size_t offset, uint64_t value, int bytes, dit_status status,
                  const char *fragment) {
  buffer b = read_file(GOLDEN "smallest.pt");
  set_number(find_mark(&b, mark, n) + offset, value, bytes);
  refuse(&b, status, fragment);
  free(b.bytes);
}

static void test_zip(void) {
  enum { FORMAT = DIT_ERROR_FORMAT, UNSUPPORTED = DIT_ERROR_UNSUPPORTED };
  static const char local[] = "PK\3\4", central[] = "PK\1\2", end[] = "PK\5\6", end64[] = "PK\6\6",
                    locator[] = "PK\6\7", descriptor[] = "PK\7\10";
  patch(local, 0, 30, 'X', 1, FORMAT, "another name in its local header");
  patch(local, 0, 26, 7, 2, FORMAT, "another name in its local header");
  patch(local, 0, 6, 0, 2, FORMAT, "other flags");
  patch(local, 0, 8, 8, 2, FORMAT, "another method");
  patch(local, 0, 14, 1, 4, FORMAT, "another size or CRC in its local header");
  patch(local, 0, 22, 1, 4, FORMAT, "another size or CRC in its local header");
  patch(local, 0, 18, 0xffffffff, 4, FORMAT, "no 64-bit sizes in its local header");
  patch(local, 0, 28, 0xffff, 2, FORMAT, "no local header");
  patch(local, 0, 0, 0, 4, FORMAT, "no local header");
  patch(central, 0, 8, 0x809, 2, UNSUPPORTED, "is encrypted");
  patch(central, 0, 8, 0x848, 2, UNSUPPORTED, "is encrypted");
  patch(central, 0, 10, 8, 2, FORMAT, "another method");
  patch(central, 0, 20, 0x7fffffff, 4, FORMAT, "two sizes");
  patch(central, 0, 24, 0xffffffff, 4, FORMAT, "no 64-bit sizes");
  patch(central, 0, 28, 0xffff, 2, FORMAT, "cut off");
  patch(central, 0, 34, 1, 2, FORMAT, "one part of a split archive");
  patch(central, 0, 42, 0x7fffffff, 4, FORMAT, "begins outside");
  patch(central, 0, 46, 0, 1, FORMAT, "NUL in its name");
  patch(central, 0, 0, 0, 4, FORMAT, "fewer entries");
  patch(central, 1, 46, 'Z', 1, FORMAT, "another name");
  patch(descriptor, 0, 4, 0, 4, FORMAT, "after its data");
  patch(descriptor, 0, 8, 0, 4, FORMAT, "after its data");
  patch(descriptor, 0, 0, 0, 4, FORMAT, "after its data");
  patch(end, 0, 0, 0, 4, FORMAT, "not complete");
  patch(end, 0, 4, 1, 2, FORMAT, "one part of a split archive");
  patch(end, 0, 8, 1, 2, FORMAT, "one part of a split archive");
  patch(end, 0, 8, 0x00010001, 4, FORMAT, "end records differ");
  patch(end, 0, 16, 1, 4, FORMAT, "end records differ");
  patch(end, 0, 20, 1, 2, FORMAT, "not complete");
  patch(locator, 0, 8, UINT64_MAX, 8, FORMAT, "lies outside");
  patch(locator, 0, 8, 0, 8, FORMAT, "no zip64 end record");
  patch(locator, 0, 16, 2, 4, FORMAT, "one part of a split archive");
  patch(end64, 0, 4, UINT64_MAX, 8, FORMAT, "no zip64 end record");
  patch(end64, 0, 16, 1, 4, FORMAT, "one part of a split archive");
  patch(end64, 0, 24, UINT64_MAX, 8, FORMAT, "one part of a split archive");
  patch(end64, 0, 40, UINT64_MAX, 8, FORMAT, "end records differ");
  patch(end64, 0, 48, UINT64_MAX, 8, FORMAT, "end records differ");

  /* The same where the short record leaves it to the long one. */
  buffer b = read_file(GOLDEN "smallest.pt");
  uint8_t *e = find_mark(&b, end, 0), *e64 = find_mark(&b, end64, 0);
  memset(e + 8, 0xff, 12);
  accept(&b, 1, "zip64 end record");
  static const uint64_t huge[] = {UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 32, UINT64_MAX / 46 + 1, 0};
  for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
    uint8_t kept[32];
    memcpy(kept, e64 + 24, 32);
    set_number(e64 + 24, huge[i], 8);
    set_number(e64 + 32, huge[i], 8);
    refuse(&b, FORMAT, huge[i] ? "number of entries is impossible" : "it is empty");
    memcpy(e64 + 24, kept, 32);
    set_number(e64 + 40, huge[i], 8);
    refuse(&b, FORMAT, "place is wrong");
    memcpy(e64 + 24, kept, 32);
    set_number(e64 + 48, huge[i], 8);
    refuse(&b, FORMAT, "place is wrong");
    memcpy(e64 + 24, kept, 32);
  }
  put(&b, "x", 1);
  refuse(&b, FORMAT, "not complete"); /* something behind the end */
  free(b.bytes);
}

/* Archives of our own: other entries than torch.save's. */
static void test_archive(void) {
  static const uint8_t storage[24] = {0};
  buffer p = {NULL, 0, 0};
  put(&p, "\200\2}", 3);
  text(&p, "w");
  tensor(&p, &sound);
  put(&p, "s.", 2);
  for (int variant = 0; variant < 13; variant++) {
    archive a;
    memset(&a, 0, sizeof a);
    a.wide = variant == 1;
    if (variant != 2) add(&a, "deep name/data.pkl", p.bytes, p.size);
    if (variant != 3) add(&a, "deep name/version", "3\n", 2);
    if (variant != 4) add(&a, "deep name/data/0", storage, variant == 5 ? 20 : 24);
    if (variant == 6) add(&a, "deep name/byteorder", "big", 3);
    if (variant == 7) add(&a, "deep name/byteorder", "little", 6);
    if (variant == 12) add(&a, "deep name/byteorder", "middle", 6);
    if (variant == 8) add(&a, "other/data.pkl", p.bytes, p.size);
    if (variant == 9) add(&a, "deep name/constants.pkl", "", 0);
    if (variant == 10) add(&a, "deep name/version", "3\n", 2);
    finish(&a);
    if (variant == 11) { /* the second entry's bytes are the first's */
      uint8_t *first = find_mark(&a.file, "PK\1\2", 0), *third = find_mark(&a.file, "PK\1\2", 2);
      set_number(third + 42, first[42], 4);
    }
    static const char *const fragments[13] = {NULL,
                                              NULL,
                                              "no data.pkl",
                                              "'version' is missing",
                                              "not in the archive",
                                              "of another size",
                                              NULL,
                                              NULL,
                                              "two checkpoints",
                                              "TorchScript",
                                              "occurs twice",
                                              "another name",
                                              "neither little nor big"};
    int unsupported = variant == 9;
    if (!fragments[variant])
      accept(&a.file, 1, "an archive made here");
    else
      refuse(&a.file, unsupported ? DIT_ERROR_UNSUPPORTED : DIT_ERROR_FORMAT, fragments[variant]);
    free(a.file.bytes);
  }

  /* Two entries of one name's length whose headers lie in each other's data; a changed pickle. */
  archive a;
  memset(&a, 0, sizeof a);
  buffer nested = {NULL, 0, 0};
  put(&nested, "PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0b", 31);
  add(&a, "a", nested.bytes, nested.size);
  add(&a, "b", "", 0);
  finish(&a);
  set_number(find_mark(&a.file, "PK\1\2", 1) + 42, 31, 4);
  refuse(&a.file, DIT_ERROR_FORMAT, "'b' overlaps another entry");
  free(nested.bytes);
  free(a.file.bytes);

  buffer b = pack_checkpoint(&p);
  b.bytes[30 + 10 + 4] ^= 1;
  refuse(&b, DIT_ERROR_FORMAT, "'x/data.pkl' is damaged (its CRC-32 is wrong)");
  free(b.bytes);
  b = pack_checkpoint(&p);
  set_number(find_mark(&b, "PK\3\4", 2) + 8, 8, 2);
  set_number(find_mark(&b, "PK\1\2", 2) + 10, 8, 2);
  refuse(&b, DIT_ERROR_UNSUPPORTED, "'x/data/0' is compressed");
  free(b.bytes);
  b = pack_checkpoint(&p);
  for (int i = 0; i < 8; i += 4) {
    set_number(find_mark(&b, "PK\3\4", 2) + 18 + i, 0x7fffffff, 4);
    set_number(find_mark(&b, "PK\1\2", 2) + 20 + i, 0x7fffffff, 4);
  }
  refuse(&b, DIT_ERROR_FORMAT, "'x/data/0' ends outside the file");
  free(b.bytes);
  free(p.bytes);
}

/* ---- Attacks on the pickle ---- */

#define P(s) s, sizeof s - 1

static void test_pickle(void) {
  static const struct {
    const char *bytes;
    size_t size;
    dit_status status;
    const char *fragment;
  } cases[] = {
      {P("\200\2cos\nsystem\n(X\2\0\0\0lstR."), DIT_ERROR_UNSUPPORTED, "wants to call os.system"},
      {P("\200\2cposix\nsystem\n."), DIT_ERROR_UNSUPPORTED, "posix.system"},
      {P("\200\4\214\2os\214\6system\223."), DIT_ERROR_UNSUPPORTED, "wants to call os.system"},
      {P("\200\2c__builtin__\neval\n."), DIT_ERROR_UNSUPPORTED, "__builtin__.eval"},
      {P("\200\2cbuiltins\ngetattr\n."), DIT_ERROR_UNSUPPORTED, "builtins.getattr"},
      {P("\200\2ctorch.storage\n_load_from_bytes\n."), DIT_ERROR_UNSUPPORTED, "torch.storage._load_from_bytes"},
      {P("\200\2ctorch.nn\nLinear\n."), DIT_ERROR_UNSUPPORTED, "torch.nn.Linear"},
      {P("\200\2ctorch\nFloatStorag\n."), DIT_ERROR_UNSUPPORTED, "torch.FloatStorag"},
      {P("\200\2ctorch\nFloatStorage2\n."), DIT_ERROR_UNSUPPORTED, "torch.FloatStorage2"},
      {P("\200\2ccollections.OrderedDict\n\n."), DIT_ERROR_UNSUPPORTED, "collections.OrderedDict."},
      {P("\200\2c\33[2J\nx\n."), DIT_ERROR_UNSUPPORTED, "?[2J.x"},
      {P("\200\2ctorch\nFloatStorage\n)R."), DIT_ERROR_UNSUPPORTED, "wants to call torch.FloatStorage"},
      {P("\200\4\214\1aK\1\223."), DIT_ERROR_FORMAT, "not text"},
      {P("\200\2cos\nsystem"), DIT_ERROR_FORMAT, "name without end"},
      {P("\200\2cos"), DIT_ERROR_FORMAT, "name without end"},
      {P("\200\2h\5."), DIT_ERROR_FORMAT, "memorized value that is not there"},
      {P("\200\2}q\3h\2."), DIT_ERROR_FORMAT, "memorized value that is not there"},
      {P("\200\2j\377\377\377\377."), DIT_ERROR_FORMAT, "memorized value that is not there"},
      {P("\200\2}r\377\377\377\377."), DIT_ERROR_UNSUPPORTED, "too many memorized values"},
      {P("\200\2q\0."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\2t."), DIT_ERROR_FORMAT, "mark that was never set"},
      {P("\200\2}u."), DIT_ERROR_FORMAT, "mark that was never set"},
      {P("\200\2}(K\1u."), DIT_ERROR_FORMAT, "a key has no value"},
      {P("\200\2(K\1K\2u."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\2K\1(K\2\206."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\2."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\0020."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\2R."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\2b."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\2Q."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\2\223."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\2s."), DIT_ERROR_FORMAT, "empty stack"},
      {P("\200\2K\1K\2a."), DIT_ERROR_FORMAT, "appends to a value that is not a list"},
      {P("\200\2]K\1K\2s."), DIT_ERROR_FORMAT, "sets items of a value that is not a dict"},
      {P("\200\2K\1)R."), DIT_ERROR_FORMAT, "calls a value that is not a name"},
      {P("\200\2ctorch\nSize\n]R."), DIT_ERROR_FORMAT, "arguments of a call"},
      {P("\200\2ccollections\nOrderedDict\n]\205R."), DIT_ERROR_FORMAT, "dict made from arguments"},
      {P("\200\2ctorch._utils\n_rebuild_tensor_v2\n)R}b."), DIT_ERROR_FORMAT, "gives a state"},
      {P("\200\2}}b."), DIT_ERROR_FORMAT, "gives a state"},
      {P("\200\2X\377\377\377\377abc."), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\2X\5\0\0\0abc."), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\4\214\377abc."), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\4\215\377\377\377\377\377\377\377\377abc."), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\4\216\377\377\377\377\377\377\377\177abc."), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\4\225\377\377\377\377\377\377\377\377."), DIT_ERROR_FORMAT, "frame is cut off"},
      {P("\200\2\212\377abc."), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\2\213\377\377\377\377."), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\2\213\0\0\0\200."), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\2J\1\2"), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\2G\1\2\3"), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\2}"), DIT_ERROR_FORMAT, "cut off"},
      {P("\200\2}.."), DIT_ERROR_FORMAT, "something follows its end"},
      {P("\200\2}}."), DIT_ERROR_FORMAT, "left over"},
      {P("\200\2(}."), DIT_ERROR_FORMAT, "left over"},
      {P("\200"), DIT_ERROR_FORMAT, "does not begin as protocol"},
      {P("\200\1}."), DIT_ERROR_FORMAT, "does not begin as protocol"},
      {P("\200\6}."), DIT_ERROR_FORMAT, "does not begin as protocol"},
      {P("(dp0\n."), DIT_ERROR_FORMAT, "does not begin as protocol"},
      {P("\200\2(i__main__\nx\n."), DIT_ERROR_UNSUPPORTED, "opcode 0x69 at byte 3"},
      {P("\200\2}2."), DIT_ERROR_UNSUPPORTED, "opcode 0x32"},
      {P("\200\2\202\1."), DIT_ERROR_UNSUPPORTED, "opcode 0x82"},
      {P("\200\4))}\222."), DIT_ERROR_UNSUPPORTED, "opcode 0x92"},
      {P("\200\5\227."), DIT_ERROR_UNSUPPORTED, "opcode 0x97"},
      {P("\200\2P0\n."), DIT_ERROR_UNSUPPORTED, "opcode 0x50"},
      {P("\200\2}."), DIT_ERROR_FORMAT, "no state dict"},
      {P("\200\2N."), DIT_ERROR_FORMAT, "no state dict"},
      {P("\200\2]q\0h\0a."), DIT_ERROR_FORMAT, "no state dict"},             /* a list in itself */
      {P("\200\2}q\0X\3\0\0\0emah\0s."), DIT_ERROR_FORMAT, "no state dict"}, /* a dict in itself */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    buffer p = {NULL, 0, 0};
    put(&p, cases[i].bytes, cases[i].size);
    refuse_pickle(&p, cases[i].status, cases[i].fragment);
    free(p.bytes);
  }
}

/* A pickle of `head`, then `unit` many times, then `tail`. */
static void refuse_bomb(const char *head, size_t head_size, const char *unit, size_t unit_size, int times,
                        const char *fragment) {
  buffer p = {NULL, 0, 0};
  put(&p, head, head_size);
  for (int i = 0; i < times; i++) put(&p, unit, unit_size);
  put(&p, ".", 1);
  refuse_pickle(&p, DIT_ERROR_UNSUPPORTED, fragment);
  free(p.bytes);
}

static void test_bombs(void) {
  refuse_bomb(P("\200\2"), P("("), 1 << 20, "too many nested values");
  refuse_bomb(P("\200\2"), P("}"), 3 << 19, "too many values");
  refuse_bomb(P("\200\2]q\0"), P("h\0"), 3 << 20, "too many values on its stack");
  refuse_bomb(P("\200\2]q\0"), P("h\0a"), 3 << 19, "too many values in its lists");
  refuse_bomb(P("\200\4]"), P("\224"), 3 << 19, "too many memorized values");

  /* Lists in lists, too deep for any recursion, and each the double of the one before: both are merely no state dict.
   */
  buffer p = {NULL, 0, 0};
  put(&p, "\200\2]", 3);
  for (int i = 0; i < 250000; i++) put(&p, "\205", 1);
  put(&p, ".", 1);
  refuse_pickle(&p, DIT_ERROR_FORMAT, "no state dict");
  p.size = 0;
  put(&p, "\200\2]", 3);
  for (int i = 0; i < 10000; i++) put(&p, "q\0h\0\206", 5);
  put(&p, ".", 1);
  refuse_pickle(&p, DIT_ERROR_FORMAT, "no state dict");
  free(p.bytes);
}

/* ---- Attacks on tensors ---- */

static described with_extents(int rank, const int64_t *size, const int64_t *stride) {
  described t = sound;
  t.rank = t.strides = rank;
  memcpy(t.size, size, (size_t)rank * sizeof *size);
  memcpy(t.stride, stride, (size_t)rank * sizeof *stride);
  return t;
}

#define SHAPED(rank, ...) \
  with_extents(rank, (const int64_t[2][rank]){__VA_ARGS__}[0], (const int64_t[2][rank]){__VA_ARGS__}[1])

static void test_reach(void) {
  static const int64_t top = INT64_MAX;
  static const char beyond[] = "'w' reaches beyond its storage", more[] = "'w' has more elements",
                    bad[] = "'w' has an impossible";
  described t = sound;
  accept_tensor(&t, 1, "a sound tensor");
  t = SHAPED(2, {3, 2}, {1, 3});
  accept_tensor(&t, 1, "transposed");
  t = SHAPED(1, {6}, {0});
  accept_tensor(&t, 1, "one element six times");
  t = SHAPED(2, {0, 1000}, {1000, 1});
  accept_tensor(&t, 1, "empty");
  t = SHAPED(2, {1, 6}, {top, 1});
  accept_tensor(&t, 1, "the stride of a single row");
  t = sound;
  t.rank = t.strides = 0;
  t.offset = 5;
  accept_tensor(&t, 1, "the last element");
  t.offset = 6;
  refuse_tensor(&t, beyond);
  t = sound;
  t.offset = 1;
  refuse_tensor(&t, beyond);
  t.offset = top;
  refuse_tensor(&t, beyond);
  t.offset = -1;
  refuse_tensor(&t, bad);
  t = SHAPED(2, {0, 2}, {1, 1});
  t.offset = 7;
  refuse_tensor(&t, beyond);

  t = SHAPED(1, {7}, {1});
  refuse_tensor(&t, more);
  t = SHAPED(1, {7}, {0});
  refuse_tensor(&t, more);
  t = SHAPED(1, {top}, {0});
  refuse_tensor(&t, more);
  t = SHAPED(2, {(int64_t)1 << 32, (int64_t)1 << 32}, {0, 0});
  refuse_tensor(&t, more);
  t = SHAPED(2, {2, top}, {0, 0});
  refuse_tensor(&t, more);
  t = SHAPED(2, {2, 3}, {4, 1});
  refuse_tensor(&t, beyond);
  t = SHAPED(1, {3}, {((int64_t)1 << 62) + 1});
  refuse_tensor(&t, beyond);
  t = SHAPED(1, {2}, {top});
  refuse_tensor(&t, beyond);
  t = SHAPED(2, {2, 2}, {6, 6});
  refuse_tensor(&t, beyond);
  t = SHAPED(2, {2, 3}, {-3, 1});
  refuse_tensor(&t, bad);
  t = SHAPED(2, {-2, -3}, {3, 1});
  refuse_tensor(&t, bad);
  t = SHAPED(9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1});
  refuse_tensor(&t, bad);
  t = sound;
  t.strides = 1;
  refuse_tensor(&t, bad);
}

static void test_storage(void) {
  static const char size[] = "whose zip entry is of another size";
  described t = sound;
  t.stored = 5;
  refuse_tensor(&t, size);
  t.stored = 7;
  refuse_tensor(&t, size);
  t.stored = -1;
  refuse_tensor(&t, "malformed");
  t.stored = ((int64_t)1 << 62) + 6; /* times 4 it wraps to the right size */
  refuse_tensor(&t, "impossible size");
  t = sound;
  t.storage = "torch\nDoubleStorage\n";
  refuse_tensor(&t, size);
  t.storage = "torch\nComplexDoubleStorage\n"; /* 24 bytes are one and a half */
  t.stored = 1;
  refuse_tensor(&t, size);
  t = sound;
  t.storage = "torch\nfloat32\n";
  refuse_tensor(&t, "unknown class");
  t.storage = "torch\nSize\n";
  refuse_tensor(&t, "unknown class");
  t = sound;
  t.key = "1";
  refuse_tensor(&t, "not in the archive");
  t.key = "../data.pkl";
  refuse_tensor(&t, "not in the archive");
  t.key = "";
  refuse_tensor(&t, "not in the archive");
  char key[700];
  memset(key, '0', sizeof key);
  key[sizeof key - 1] = 0;
  t.key = key;
  refuse_tensor(&t, "not in the archive");

  t = sound;
  t.storage = "torch\nLongStorage\n";
  t.stored = 3;
  accept_tensor(&t, 0, "integers are skipped");
  t = sound;
  t.function = "torch._utils\n_rebuild_tensor\n";
  accept_tensor(&t, 1, "version 1");
  t.function = "torch._utils\n_rebuild_tensor_v3\n";
  refuse_tensor(&t, "no data type");
  t.storage = "torch.storage\nUntypedStorage\n";
  t.stored = 24;
  refuse_tensor(&t, "no data type");
  t.data_type = "torch\nfloat32\n";
  accept_tensor(&t, 1, "version 3");
  t.data_type = "torch\nuint16\n";
  accept_tensor(&t, 0, "version 3, integers");
  t.data_type = "torch\nfloat64\n";
  refuse_tensor(&t, "more elements");
  t.data_type = "torch\nFloatStorage\n";
  refuse_tensor(&t, "no data type");
}

/* Names, and what else stands where a tensor should. */
static void test_state_dict(void) {
  static const struct {
    const char *names[2];
    const char *fragment;
  } cases[] = {
      {{"a", "b"}, NULL},          {{"a", "a"}, "'a' occurs twice"},     {{"a", ""}, "tensor 1 is not printable"},
      {{"a\nb", "c"}, "tensor 0"}, {{"a", "\33[2J"}, "tensor 1 is not"}, {{"a", "\377"}, "tensor 1 is not printable"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    buffer p = {NULL, 0, 0};
    put(&p, "\200\2}(", 4);
    text(&p, cases[i].names[0]);
    tensor(&p, &sound);
    text(&p, cases[i].names[1]);
    tensor(&p, &sound);
    text(&p, "steps");
    integer(&p, 7);
    put(&p, "u.", 2);
    buffer b = pack_checkpoint(&p);
    if (cases[i].fragment)
      refuse(&b, DIT_ERROR_FORMAT, cases[i].fragment);
    else
      accept(&b, 2, "two tensors and a number");
    free(b.bytes);
    free(p.bytes);
  }

  static const char *const broken[][2] = {
      {"ctorch._utils\n_rebuild_tensor_v2\n)R", "too few arguments"},
      {"ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR", "no storage"},
      {"ctorch._utils\n_rebuild_tensor_v2\n(NQNNNtR", "no storage"},
      {"ctorch._utils\n_rebuild_tensor_v2\n()QNNNtR", "no storage"},
      {"ctorch._utils\n_rebuild_parameter\n)R", "no state dict"},
      {"ctorch._utils\n_rebuild_parameter\n]\205R", "no state dict"},
      {"ctorch._utils\n_rebuild_parameter\nctorch._utils\n_rebuild_tensor_v2\n)R\205R", "too few arguments"},
  };
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    buffer p = {NULL, 0, 0};
    put(&p, "\200\2}", 3);
    text(&p, "w");
    put(&p, broken[i][0], strlen(broken[i][0]));
    put(&p, "s.", 2);
    refuse_pickle(&p, DIT_ERROR_FORMAT, broken[i][1]);
    free(p.bytes);
  }
}

/* ---- Damage ---- */

static void test_damaged_file(void) {
  buffer b = read_file(GOLDEN "smallest.pt");
  dit_error error;
  size_t count;
  for (size_t size = 0; size < b.size; size++) {
    CHECK(list(b.bytes, size, &error, &count) < 0, "the first %zu bytes are accepted", size);
  }
  for (size_t i = 0; i < b.size; i++) {
    static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x20};
    for (size_t k = 0; k < sizeof flips; k++) {
      b.bytes[i] ^= flips[k];
      list(b.bytes, b.size, &error, &count);
      b.bytes[i] ^= flips[k];
    }
  }
  free(b.bytes);
}

/* Changes and cuts within the pickle of a training checkpoint, with the CRC made right again. The other entries stay.
 */
static void test_damaged_pickle(const char *path, const char *name) {
  buffer b = read_file(path);
  zip archived;
  dit_error error = {0, ""};
  if (!CHECK(zip_open(b.bytes, b.size, "file", &archived, &error) == DIT_OK, "%s", error.message)) return;
  const zip_entry *e = zip_find(&archived, name, strlen(name));
  if (CHECK(e != NULL, "%s has no %s", path, name)) {
    size_t accepted = 0, size = (size_t)e->size, count;
    buffer changed = {NULL, 0, 0};
    for (size_t i = 0; i < size; i++) {
      for (int k = 0; k < 3; k++) {
        archive a;
        memset(&a, 0, sizeof a);
        changed.size = 0;
        put(&changed, e->data, k == 2 ? i : size);
        if (k < 2) changed.bytes[i] = (uint8_t)(k ? e->data[i] ^ 1 << i % 8 : e->data[(i * 7 + 3) % size]);
        for (size_t n = 0; n < archived.count; n++) {
          const zip_entry *other = &archived.entries[n];
          char other_name[64] = {0};
          memcpy(other_name, other->name, other->name_length);
          if (other == e)
            add(&a, other_name, changed.bytes, changed.size);
          else
            add(&a, other_name, other->data, (size_t)other->size);
        }
        finish(&a);
        int fine = list(a.file.bytes, a.file.size, &error, &count) == DIT_OK;
        CHECK(!fine || k < 2, "%s: the first %zu bytes are accepted", name, i);
        accepted += (size_t)fine;
        free(a.file.bytes);
      }
    }
    CHECK(accepted > 0, "%s: every change is refused, even one in a name", name);
    free(changed.bytes);
  }
  zip_close(&archived);
  free(b.bytes);
}

int main(void) {
  test_zip();
  test_archive();
  test_pickle();
  test_bombs();
  test_reach();
  test_storage();
  test_state_dict();
  test_damaged_file();
  test_damaged_pickle(GOLDEN "protocol2.pt", "protocol2/data.pkl");
  test_damaged_pickle(GOLDEN "protocol4.pt", "protocol4/data.pkl");
  test_damaged_pickle(GOLDEN "train5.pt", "train5/data.pkl");
  test_damaged_pickle(GOLDEN "views.pt", "views/data.pkl");
  return test_end("hostile checkpoints");
}
