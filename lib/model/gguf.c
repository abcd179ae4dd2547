/* Reads model files. Every count, length, product and offset is checked before it is used. */
#include "lib/core/numerics.h"

#include <float.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/little_endian.h"
#include "lib/core/platform.h"
#include "lib/core/utf8.h"
#include "lib/model/gguf.h"

enum {
  GGUF_MAX_KEYS = 65536,
  GGUF_MAX_TENSORS = 65536,
  GGUF_MIN_KEY = 8 + 1 + 4 + 1,            /* name, type, a value of one byte */
  GGUF_MIN_TENSOR = 8 + 1 + 4 + 8 + 4 + 8, /* name, rank, one extent, type, offset */
  GGUF_MAX_KEY_NAME = 65535,
  GGUF_DEFAULT_ALIGNMENT = 32,
  GGUF_MAX_ALIGNMENT = 4096
};

typedef struct gguf_key {
  const uint8_t *name;
  const uint8_t *value; /* of an array: its first element */
  uint64_t count;       /* elements; 1 unless it is an array */
  uint64_t size;        /* bytes of the value, or of all elements */
  uint32_t length;      /* of the name */
  uint32_t type;        /* of the value, or of the elements */
  int is_array;
} gguf_key;

struct dit__gguf {
  size_t memory;
  uint32_t key_count, tensor_count;
  gguf_key *keys;            /* in the file's order */
  dit__gguf_tensor *tensors; /* likewise */
  uint32_t *key_order;       /* by name */
  uint32_t *tensor_order;    /* by name; while the file is read, by offset */
};

/* The unread rest of the file. */
typedef struct gguf_cursor {
  const uint8_t *at;
  uint64_t left;
} gguf_cursor;

/* ---- Bytes ---- */

static int gguf_take(gguf_cursor *cursor, uint64_t size, const uint8_t **bytes) {
  if (cursor->left < size) return 0;
  *bytes = cursor->at;
  cursor->at += (size_t)size;
  cursor->left -= size;
  return 1;
}

static int gguf_take_u32(gguf_cursor *cursor, uint32_t *value) {
  const uint8_t *bytes;
  if (!gguf_take(cursor, 4, &bytes)) return 0;
  *value = load_le32(bytes);
  return 1;
}

static int gguf_take_u64(gguf_cursor *cursor, uint64_t *value) {
  const uint8_t *bytes;
  if (!gguf_take(cursor, 8, &bytes)) return 0;
  *value = load_le64(bytes);
  return 1;
}

static int gguf_take_string(gguf_cursor *cursor, const uint8_t **text, uint64_t *length) {
  return gguf_take_u64(cursor, length) && gguf_take(cursor, *length, text);
}

/* Returns whether a name is printable ASCII, so that it can stand in a message. */
static int gguf_is_name(const uint8_t *text, uint64_t length) {
  for (uint64_t i = 0; i < length; i++)
    if (text[i] < 0x20 || text[i] > 0x7e) return 0;
  return length > 0;
}

/* Makes a name of any bytes fit for a message. */
static const char *gguf_show(const uint8_t *text, uint64_t length, char out[64]) {
  size_t n = length < 63 ? (size_t)length : 63;
  for (size_t i = 0; i < n; i++) out[i] = text[i] < 0x20 || text[i] > 0x7e ? '?' : (char)text[i];
  out[n] = 0;
  return out;
}

int dit__is_utf8(const uint8_t *text, uint64_t length) {
  for (size_t i = 0; i < length;) {
    const size_t size = text[i] ? utf8_size((const char *)text + i, (size_t)length - i) : 0;
    if (!size) return 0;
    i += size;
  }
  return 1;
}

/* ---- Order ---- */

typedef int (*gguf_compare)(const dit__gguf *file, uint32_t a, uint32_t b);

static int gguf_compare_text(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length) {
  int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
  return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int gguf_by_key(const dit__gguf *file, uint32_t a, uint32_t b) {
  const gguf_key *x = &file->keys[a], *y = &file->keys[b];
  return gguf_compare_text(x->name, x->length, y->name, y->length);
}

static int gguf_by_name(const dit__gguf *file, uint32_t a, uint32_t b) {
  return strcmp(file->tensors[a].name, file->tensors[b].name);
}

static int gguf_by_offset(const dit__gguf *file, uint32_t a, uint32_t b) {
  const uint8_t *x = file->tensors[a].data, *y = file->tensors[b].data;
  return (x > y) - (x < y);
}

static void gguf_sift(const dit__gguf *file, uint32_t *order, uint32_t root, uint32_t count, gguf_compare compare) {
  for (;;) {
    uint32_t child = 2 * root + 1;
    if (child >= count) return;
    if (child + 1 < count && compare(file, order[child], order[child + 1]) < 0) child++;
    if (compare(file, order[root], order[child]) >= 0) return;
    uint32_t swap = order[root];
    order[root] = order[child];
    order[child] = swap;
    root = child;
  }
}

/* Heap sort, because no hostile file makes it slow, and it needs no memory; qsort promises neither. */
static void gguf_sort(const dit__gguf *file, uint32_t *order, uint32_t count, gguf_compare compare) {
  for (uint32_t i = 0; i < count; i++) order[i] = i;
  for (uint32_t i = count / 2; i-- > 0;) gguf_sift(file, order, i, count, compare);
  for (uint32_t last = count; last-- > 1;) {
    uint32_t swap = order[0];
    order[0] = order[last];
    order[last] = swap;
    gguf_sift(file, order, 0, last, compare);
  }
}

/* ---- Reading the header ---- */

size_t dit__gguf_type_size(uint32_t type) {
  switch (type) {
    case DIT__GGUF_F32: return 4;
    case DIT__GGUF_F16: return 2;
    case DIT__GGUF_BF16: return 2;
    case DIT__GGUF_I8: return 1;
    default: return 0;
  }
}

/* Returns the bytes of a number of a key's type, or 0 if the type is no number. */
static uint64_t gguf_number_size(uint32_t type) {
  switch (type) {
    case DIT__KEY_U8:
    case DIT__KEY_I8:
    case DIT__KEY_BOOL: return 1;
    case DIT__KEY_U16:
    case DIT__KEY_I16: return 2;
    case DIT__KEY_U32:
    case DIT__KEY_I32:
    case DIT__KEY_F32: return 4;
    case DIT__KEY_U64:
    case DIT__KEY_I64:
    case DIT__KEY_F64: return 8;
    default: return 0;
  }
}

/* Names of types that other programs write, for messages. */
static const char *gguf_foreign_type(uint32_t type) {
  switch (type) {
    case 2: return "Q4_0";
    case 3: return "Q4_1";
    case 6: return "Q5_0";
    case 7: return "Q5_1";
    case 8: return "Q8_0";
    case 10: return "Q2_K";
    case 11: return "Q3_K";
    case 12: return "Q4_K";
    case 13: return "Q5_K";
    case 14: return "Q6_K";
    case 15: return "Q8_K";
    case 25: return "I16";
    case 26: return "I32";
    case 27: return "I64";
    case 28: return "F64";
    default: return "unknown";
  }
}

static dit_status gguf_read_strings(gguf_cursor *cursor, gguf_key *key, const char *name, dit_error *error) {
  if (key->count > cursor->left / 8)
    return dit__fail(error, DIT_ERROR_FORMAT, "key %s: an array of %llu strings does not fit in the file", name,
                     (unsigned long long)key->count);
  for (uint64_t i = 0; i < key->count; i++) {
    const uint8_t *text;
    uint64_t length;
    if (!gguf_take_string(cursor, &text, &length))
      return dit__fail(error, DIT_ERROR_FORMAT, "key %s: string %llu reaches beyond the end of the file", name,
                       (unsigned long long)i);
    if (!dit__is_utf8(text, length))
      return dit__fail(error, DIT_ERROR_FORMAT, "key %s: string %llu is not UTF-8", name, (unsigned long long)i);
  }
  return DIT_OK;
}

static dit_status gguf_read_value(gguf_cursor *cursor, gguf_key *key, const char *name, dit_error *error) {
  key->count = 1;
  if (!gguf_take_u32(cursor, &key->type))
    return dit__fail(error, DIT_ERROR_FORMAT, "key %s: the file ends within it; it was cut short", name);
  if (key->type == DIT__KEY_ARRAY) {
    key->is_array = 1;
    if (!gguf_take_u32(cursor, &key->type) || !gguf_take_u64(cursor, &key->count))
      return dit__fail(error, DIT_ERROR_FORMAT, "key %s: the file ends within it; it was cut short", name);
    if (key->type == DIT__KEY_ARRAY)
      return dit__fail(error, DIT_ERROR_UNSUPPORTED, "key %s: arrays of arrays are not supported", name);
  }
  key->value = cursor->at;
  if (key->type == DIT__KEY_STRING) {
    dit_status status = gguf_read_strings(cursor, key, name, error);
    key->size = (uint64_t)(cursor->at - key->value);
    return status;
  }
  uint64_t size = gguf_number_size(key->type);
  if (!size) return dit__fail(error, DIT_ERROR_FORMAT, "key %s: type %u is unknown", name, (unsigned)key->type);
  if (key->count > cursor->left / size)
    return dit__fail(error, DIT_ERROR_FORMAT, "key %s: %llu numbers of %u bytes reach beyond the end of the file", name,
                     (unsigned long long)key->count, (unsigned)size);
  key->size = key->count * size;
  gguf_take(cursor, key->size, &key->value);
  if (key->type == DIT__KEY_BOOL && !key->is_array && key->value[0] > 1)
    return dit__fail(error, DIT_ERROR_FORMAT, "key %s: a bool of %u; it must be 0 or 1", name, (unsigned)key->value[0]);
  return DIT_OK;
}

static dit_status gguf_read_keys(gguf_cursor *cursor, dit__gguf *file, dit_error *error) {
  char shown[64];
  for (uint32_t i = 0; i < file->key_count; i++) {
    gguf_key *key = &file->keys[i];
    uint64_t length;
    memset(key, 0, sizeof *key);
    if (!gguf_take_string(cursor, &key->name, &length))
      return dit__fail(error, DIT_ERROR_FORMAT, "key %u of %u: its name reaches beyond the end of the file",
                       (unsigned)i + 1, (unsigned)file->key_count);
    gguf_show(key->name, length, shown);
    if (length > GGUF_MAX_KEY_NAME || !gguf_is_name(key->name, length))
      return dit__fail(error, DIT_ERROR_FORMAT, "key %u \"%s\": a name must be 1 to %d bytes of printable ASCII",
                       (unsigned)i + 1, shown, GGUF_MAX_KEY_NAME);
    key->length = (uint32_t)length;
    dit_status status = gguf_read_value(cursor, key, shown, error);
    if (status) return status;
  }
  gguf_sort(file, file->key_order, file->key_count, gguf_by_key);
  for (uint32_t i = 1; i < file->key_count; i++) {
    const gguf_key *key = &file->keys[file->key_order[i]];
    if (gguf_by_key(file, file->key_order[i - 1], file->key_order[i]) == 0)
      return dit__fail(error, DIT_ERROR_FORMAT, "key %s: occurs twice", gguf_show(key->name, key->length, shown));
  }
  return DIT_OK;
}

/* Reads the shape and type of the tensor whose name was read, and puts its offset into *offset. */
static dit_status gguf_read_tensor(gguf_cursor *cursor, dit__gguf_tensor *t, uint64_t *offset, dit_error *error) {
  if (!gguf_take_u32(cursor, &t->rank))
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: the file ends within its entry; it was cut short", t->name);
  if (t->rank < 1 || t->rank > 4)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: rank %u; it must be 1 to 4", t->name, (unsigned)t->rank);
  const uint8_t *extents;
  if (!gguf_take(cursor, 8 * (uint64_t)t->rank, &extents) || !gguf_take_u32(cursor, &t->type) ||
      !gguf_take_u64(cursor, offset))
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: the file ends within its entry; it was cut short", t->name);
  uint64_t size = dit__gguf_type_size(t->type);
  if (!size)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "tensor %s: type %u (%s); only F32, F16, BF16 and I8 are supported",
                     t->name, (unsigned)t->type, gguf_foreign_type(t->type));
  t->count = 1;
  for (uint32_t i = 0; i < 4; i++) t->shape[i] = 1;
  for (uint32_t i = 0; i < t->rank; i++) {
    uint64_t extent = load_le64(extents + 8 * i);
    if (extent == 0) return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: an extent of its shape is 0", t->name);
    if (t->count > UINT64_MAX / size / extent)
      return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: the product of its shape overflows 64 bits", t->name);
    t->count *= extent;
    t->shape[t->rank - 1 - i] = extent;
  }
  return DIT_OK;
}

/* Reads the entries of all tensors. `offsets` receives where each one begins, to be checked when the beginning of the
 * data is known. */
static dit_status gguf_read_tensors(gguf_cursor *cursor, dit__gguf *file, uint64_t *offsets, dit_error *error) {
  char shown[64];
  for (uint32_t i = 0; i < file->tensor_count; i++) {
    dit__gguf_tensor *t = &file->tensors[i];
    const uint8_t *name;
    uint64_t length;
    memset(t, 0, sizeof *t);
    if (!gguf_take_string(cursor, &name, &length))
      return dit__fail(error, DIT_ERROR_FORMAT, "tensor %u of %u: its name reaches beyond the end of the file",
                       (unsigned)i + 1, (unsigned)file->tensor_count);
    if (length >= sizeof t->name || !gguf_is_name(name, length))
      return dit__fail(error, DIT_ERROR_FORMAT, "tensor %u \"%s\": a name must be 1 to 63 bytes of printable ASCII",
                       (unsigned)i + 1, gguf_show(name, length, shown));
    memcpy(t->name, name, (size_t)length);
    dit_status status = gguf_read_tensor(cursor, t, &offsets[i], error);
    if (status) return status;
  }
  return DIT_OK;
}

/* Places the tensors in the file's data, which begins at `data`. */
static dit_status gguf_place_tensors(dit__gguf *file, const uint8_t *data, uint64_t left, uint64_t alignment,
                                     const uint64_t *offsets, dit_error *error) {
  for (uint32_t i = 0; i < file->tensor_count; i++) {
    dit__gguf_tensor *t = &file->tensors[i];
    uint64_t size = t->count * dit__gguf_type_size(t->type);
    if (offsets[i] % alignment)
      return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: offset %llu is no multiple of the alignment, %llu", t->name,
                       (unsigned long long)offsets[i], (unsigned long long)alignment);
    if (offsets[i] > left || size > left - offsets[i])
      return dit__fail(
          error, DIT_ERROR_FORMAT,
          "tensor %s: its %llu bytes at offset %llu reach beyond the end of the file, which holds %llu bytes "
          "of data; the file is damaged or cut short",
          t->name, (unsigned long long)size, (unsigned long long)offsets[i], (unsigned long long)left);
    t->data = data + (size_t)offsets[i];
  }
  gguf_sort(file, file->tensor_order, file->tensor_count, gguf_by_offset);
  for (uint32_t i = 1; i < file->tensor_count; i++) {
    const dit__gguf_tensor *a = &file->tensors[file->tensor_order[i - 1]], *b = &file->tensors[file->tensor_order[i]];
    if ((uint64_t)(b->data - a->data) < a->count * dit__gguf_type_size(a->type))
      return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: overlaps tensor %s", b->name, a->name);
  }
  gguf_sort(file, file->tensor_order, file->tensor_count, gguf_by_name);
  for (uint32_t i = 1; i < file->tensor_count; i++)
    if (gguf_by_name(file, file->tensor_order[i - 1], file->tensor_order[i]) == 0)
      return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: occurs twice", file->tensors[file->tensor_order[i]].name);
  return DIT_OK;
}

/* Reads magic, version and counts: the 24 bytes that every file begins with. */
static dit_status gguf_read_start(gguf_cursor *cursor, uint64_t *keys, uint64_t *tensors, dit_error *error) {
  const uint8_t *magic = cursor->at;
  uint32_t version;
  if (cursor->left >= 4 && memcmp(magic, "PK\3\4", 4) == 0)
    return dit__fail(error, DIT_ERROR_FORMAT,
                     "a zip file, perhaps a PyTorch checkpoint, is no model file; make one of it "
                     "with dit-convert");
  if (cursor->left < 4 || memcmp(magic, "GGUF", 4) != 0)
    return dit__fail(error, DIT_ERROR_FORMAT,
                     "not a model file: it does not begin with GGUF; dit-convert makes model files of checkpoints");
  gguf_take(cursor, 4, &magic);
  if (!gguf_take_u32(cursor, &version) || !gguf_take_u64(cursor, tensors) || !gguf_take_u64(cursor, keys))
    return dit__fail(error, DIT_ERROR_FORMAT, "the file ends within its first 24 bytes; it was cut short");
  if (version != 2 && version != 3) {
    if (version == 0x02000000u || version == 0x03000000u)
      return dit__fail(error, DIT_ERROR_UNSUPPORTED, "a big-endian GGUF file; only little-endian ones are supported");
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "GGUF version %u; versions 2 and 3 are supported",
                     (unsigned)version);
  }
  if (*keys > GGUF_MAX_KEYS || *keys > cursor->left / GGUF_MIN_KEY)
    return dit__fail(error, DIT_ERROR_FORMAT, "key count %llu: more than %s", (unsigned long long)*keys,
                     *keys > GGUF_MAX_KEYS ? "65536" : "the file can hold");
  if (*tensors > GGUF_MAX_TENSORS || *tensors > cursor->left / GGUF_MIN_TENSOR)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor count %llu: more than %s", (unsigned long long)*tensors,
                     *tensors > GGUF_MAX_TENSORS ? "65536" : "the file can hold");
  return DIT_OK;
}

static dit_status gguf_read(gguf_cursor *cursor, const uint8_t *bytes, dit__gguf *file, uint64_t *offsets,
                            dit_error *error) {
  int64_t alignment = GGUF_DEFAULT_ALIGNMENT;
  dit_status status = gguf_read_keys(cursor, file, error);
  if (status) return status;
  int found = dit__gguf_integer(file, "general.alignment", 8, GGUF_MAX_ALIGNMENT, &alignment, error);
  if (found < 0) return found;
  if (alignment & (alignment - 1))
    return dit__fail(error, DIT_ERROR_FORMAT, "key general.alignment: %d is no power of two", (int)alignment);
  status = gguf_read_tensors(cursor, file, offsets, error);
  if (status || !file->tensor_count) return status;
  uint64_t padding = (uint64_t)(alignment - (cursor->at - bytes) % alignment) % (uint64_t)alignment;
  if (padding > cursor->left)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: the file ends before its data; it was cut short",
                     file->tensors[0].name);
  return gguf_place_tensors(file, cursor->at + padding, cursor->left - padding, (uint64_t)alignment, offsets, error);
}

dit_status dit__gguf_open(const void *bytes, size_t size, const dit_options *hooks, dit__gguf **file,
                          dit_error *error) {
  gguf_cursor cursor = {(const uint8_t *)bytes, size};
  uint64_t keys = 0, tensors = 0;
  *file = NULL;
  dit_status status = gguf_read_start(&cursor, &keys, &tensors, error);
  if (status) return status;
  /* One block holds the struct, then arrays aligned to 8 bytes, then arrays aligned to 4. */
  size_t own = (sizeof(dit__gguf) + 7) / 8 * 8;
  size_t memory =
      own + (size_t)keys * (sizeof(gguf_key) + 4) + (size_t)tensors * (sizeof(dit__gguf_tensor) + sizeof(uint64_t) + 4);
  dit__gguf *f = (dit__gguf *)dit__allocate(hooks, memory, 64);
  if (!f) return dit__fail(error, DIT_ERROR_MEMORY, "no memory for an index of %zu bytes", memory);
  f->memory = memory;
  f->key_count = (uint32_t)keys;
  f->tensor_count = (uint32_t)tensors;
  uint64_t *offsets = (uint64_t *)(void *)((uint8_t *)f + own);
  f->tensors = (dit__gguf_tensor *)(void *)(offsets + tensors);
  f->keys = (gguf_key *)(void *)(f->tensors + tensors);
  f->key_order = (uint32_t *)(void *)(f->keys + keys);
  f->tensor_order = f->key_order + keys;
  status = gguf_read(&cursor, (const uint8_t *)bytes, f, offsets, error);
  if (status) {
    dit__gguf_close(f, hooks);
    return status;
  }
  *file = f;
  return DIT_OK;
}

void dit__gguf_close(dit__gguf *file, const dit_options *hooks) {
  if (file) dit__release(hooks, file, file->memory);
}

size_t dit__gguf_memory(const dit__gguf *file) { return file->memory; }

/* ---- Tensors ---- */

uint64_t dit__gguf_tensor_count(const dit__gguf *file) { return file->tensor_count; }

const dit__gguf_tensor *dit__gguf_tensor_at(const dit__gguf *file, uint64_t index) {
  return index < file->tensor_count ? &file->tensors[index] : NULL;
}

const dit__gguf_tensor *dit__gguf_find(const dit__gguf *file, const char *name) {
  uint32_t low = 0, high = file->tensor_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const dit__gguf_tensor *t = &file->tensors[file->tensor_order[middle]];
    int order = strcmp(name, t->name);
    if (order == 0) return t;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

/* ---- Keys ---- */

static const gguf_key *gguf_find_key(const dit__gguf *file, const char *name) {
  size_t length = strlen(name);
  uint32_t low = 0, high = file->key_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const gguf_key *key = &file->keys[file->key_order[middle]];
    int order = gguf_compare_text((const uint8_t *)name, length, key->name, key->length);
    if (order == 0) return key;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

/* Reads an integer or a bool. Returns 0 for another type. */
static int gguf_integer_at(uint32_t type, const uint8_t *p, int64_t *value, int *too_large) {
  *too_large = 0;
  switch (type) {
    case DIT__KEY_U8: *value = p[0]; return 1;
    case DIT__KEY_BOOL: *value = p[0] != 0; return 1;
    case DIT__KEY_I8: *value = (int8_t)p[0]; return 1;
    case DIT__KEY_U16: *value = load_le16(p); return 1;
    case DIT__KEY_I16: *value = (int16_t)load_le16(p); return 1;
    case DIT__KEY_U32: *value = load_le32(p); return 1;
    case DIT__KEY_I32: *value = (int32_t)load_le32(p); return 1;
    case DIT__KEY_I64: *value = (int64_t)load_le64(p); return 1;
    case DIT__KEY_U64:
      *too_large = load_le64(p) > INT64_MAX;
      *value = *too_large ? INT64_MAX : (int64_t)load_le64(p);
      return 1;
    default: return 0;
  }
}

/* Reads a finite number of any type. Returns 0 for another type, infinities and NaN. */
static int gguf_number_at(uint32_t type, const uint8_t *p, double *value) {
  int64_t whole;
  int too_large;
  double result;
  if (type == DIT__KEY_F32) {
    result = load_le_float(p);
  } else if (type == DIT__KEY_F64) {
    result = load_le_double(p);
  } else if (gguf_integer_at(type, p, &whole, &too_large) && !too_large) {
    result = (double)whole;
  } else {
    return 0;
  }
  if (!(result >= -DBL_MAX && result <= DBL_MAX)) return 0;
  *value = result;
  return 1;
}

int dit__gguf_integer(const dit__gguf *file, const char *key, int64_t low, int64_t high, int64_t *value,
                      dit_error *error) {
  const gguf_key *k = gguf_find_key(file, key);
  int64_t number;
  int too_large;
  if (!k) return 0;
  if (k->is_array || !gguf_integer_at(k->type, k->value, &number, &too_large))
    return dit__fail(error, DIT_ERROR_FORMAT, "key %s: must be an integer", key);
  if (too_large || number < low || number > high)
    return dit__fail(error, DIT_ERROR_FORMAT, "key %s: %s%lld is not within %lld and %lld", key,
                     too_large ? "over " : "", (long long)number, (long long)low, (long long)high);
  *value = number;
  return 1;
}

int dit__gguf_real(const dit__gguf *file, const char *key, double *value, dit_error *error) {
  const gguf_key *k = gguf_find_key(file, key);
  if (!k) return 0;
  if (k->is_array || !gguf_number_at(k->type, k->value, value))
    return dit__fail(error, DIT_ERROR_FORMAT, "key %s: must be a finite number", key);
  return 1;
}

int dit__gguf_string(const dit__gguf *file, const char *key, const char **text, size_t *length, dit_error *error) {
  const gguf_key *k = gguf_find_key(file, key);
  if (!k) return 0;
  if (k->is_array || k->type != DIT__KEY_STRING)
    return dit__fail(error, DIT_ERROR_FORMAT, "key %s: must be a string", key);
  const uint64_t bytes = load_le64(k->value), most = k->size - 8; /* the file may have been changed since it was read */
  *text = (const char *)k->value + 8;
  *length = (size_t)(bytes < most ? bytes : most);
  return 1;
}

int dit__gguf_array(const dit__gguf *file, const char *key, uint64_t *count, dit_error *error) {
  const gguf_key *k = gguf_find_key(file, key);
  if (!k) return 0;
  if (!k->is_array) return dit__fail(error, DIT_ERROR_FORMAT, "key %s: must be an array", key);
  *count = k->count;
  return 1;
}

int dit__gguf_array_string(const dit__gguf *file, const char *key, uint64_t *cursor, const char **text,
                           size_t *length) {
  const gguf_key *k = gguf_find_key(file, key);
  if (!k || !k->is_array || k->type != DIT__KEY_STRING || *cursor >= k->size) return 0;
  const uint8_t *at = k->value + (size_t)*cursor;
  const uint64_t left = k->size - *cursor, bytes = left >= 8 ? load_le64(at) : UINT64_MAX;
  if (left < 8 || bytes > left - 8) return 0; /* it was checked, but the file may have been changed since */
  *length = (size_t)bytes;
  *text = (const char *)at + 8;
  *cursor += 8 + *length;
  return 1;
}

int dit__gguf_array_real(const dit__gguf *file, const char *key, uint64_t index, double *value) {
  const gguf_key *k = gguf_find_key(file, key);
  if (!k || !k->is_array || index >= k->count) return 0;
  return gguf_number_at(k->type, k->value + (size_t)(index * gguf_number_size(k->type)), value);
}

int dit__gguf_array_integer(const dit__gguf *file, const char *key, uint64_t index, int64_t *value) {
  const gguf_key *k = gguf_find_key(file, key);
  int too_large;
  if (!k || !k->is_array || index >= k->count) return 0;
  return gguf_integer_at(k->type, k->value + (size_t)(index * gguf_number_size(k->type)), value, &too_large) &&
         !too_large;
}

const uint8_t *dit__gguf_key_at(const dit__gguf *file, uint64_t index, const char **name, size_t *length,
                                size_t *size) {
  if (index >= file->key_count) return NULL;
  const gguf_key *key = &file->keys[index];
  const uint8_t *record = key->name - 8;
  *name = (const char *)key->name;
  *length = key->length;
  *size = (size_t)(key->value + (size_t)key->size - record);
  return record;
}
