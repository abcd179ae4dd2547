#include "weights/convert/read/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/little_endian.h"
#include "weights/convert/read/text.h"

enum { HEADER_LIMIT = 100000000 }; /* bytes, from the specification */

typedef struct data_type {
  const char *name;
  int type; /* CHECKPOINT_*; 0: known and skipped */
  uint64_t bytes;
} data_type;

static const data_type data_types[] = {
    {"F32", CHECKPOINT_F32, 4},
    {"F16", CHECKPOINT_F16, 2},
    {"BF16", CHECKPOINT_BF16, 2},
    {"F64", CHECKPOINT_F64, 8},
    {"F8_E4M3", CHECKPOINT_E4M3, 1},
    {"F8_E5M2", CHECKPOINT_E5M2, 1},
    {"I64", 0, 8},
    {"I32", 0, 4},
    {"I16", 0, 2},
    {"I8", 0, 1},
    {"U64", 0, 8},
    {"U32", 0, 4},
    {"U16", 0, 2},
    {"U8", 0, 1},
    {"BOOL", 0, 1},
    {"C64", 0, 8},
};

/* The part of the data that a tensor takes up, whether it is listed or not. */
typedef struct extent {
  uint64_t begin, end;
  const char *name;
} extent;

typedef struct safetensors_reader {
  const char *what;
  dit_error *error;
  const uint8_t *data;
  uint64_t size; /* of the data */
} safetensors_reader;

static dit_status fail_tensor(const safetensors_reader *r, const char *name, const char *sentence) {
  char shown[TEXT_SHOWN];
  return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: tensor '%s' %s", r->what, text_shown(shown, name, strlen(name)),
                   sentence);
}

static const data_type *find_type(const json_value *v) {
  for (size_t i = 0; v && v->kind == JSON_STRING && i < sizeof data_types / sizeof *data_types; i++) {
    if (strcmp(v->text, data_types[i].name) == 0) return &data_types[i];
  }
  return NULL;
}

/* Reads a shape, and computes the row-major strides and the bytes of the tensor. Returns 0 if the shape is malformed, or
 * its product does not fit. */
static int read_shape(const json_value *shape, uint64_t item_bytes, checkpoint_tensor *t, uint64_t *bytes) {
  if (!shape || shape->kind != JSON_ARRAY || shape->count > CHECKPOINT_MAX_RANK) return 0;
  for (const json_value *v = shape->child; v; v = v->next) {
    int64_t side;
    if (!json_integer(v, 0, INT64_MAX, &side)) return 0;
    t->shape[t->rank++] = (uint64_t)side;
  }
  uint64_t elements = 1, most = (uint64_t)INT64_MAX / item_bytes; /* of the product without zeros */
  int empty = 0;
  for (int i = t->rank - 1; i >= 0; i--) {
    uint64_t side = t->shape[i] ? t->shape[i] : 1;
    if (side > most / elements) return 0;
    t->stride[i] = elements;
    elements *= side;
    empty |= t->shape[i] == 0;
  }
  *bytes = empty ? 0 : elements * item_bytes;
  return 1;
}

/* Reads {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}. */
static dit_status read_tensor(const safetensors_reader *r, const json_value *v, checkpoint_tensor *t, extent *e) {
  if (!text_is_name(v->key, strlen(v->key))) return fail_tensor(r, v->key, "has no printable name");
  if (v->kind != JSON_OBJECT) return fail_tensor(r, v->key, "is not described by an object");
  const json_value *type_name = json_member(v, "dtype");
  const data_type *type = find_type(type_name);
  if (!type) {
    char name[TEXT_SHOWN], shown[TEXT_SHOWN];
    const char *text = type_name && type_name->kind == JSON_STRING ? type_name->text : "nothing";
    return dit__fail(r->error, DIT_ERROR_UNSUPPORTED,
                     "%s: tensor '%s' has dtype %s; F64, F32, F16, BF16, F8_E4M3 and F8_E5M2 are supported", r->what,
                     text_shown(name, v->key, strlen(v->key)), text_shown(shown, text, strlen(text)));
  }
  uint64_t bytes;
  if (!read_shape(json_member(v, "shape"), type->bytes, t, &bytes)) {
    return fail_tensor(r, v->key, "has an impossible shape (at most 8 extents, and a size in 63 bits)");
  }
  const json_value *offsets = json_member(v, "data_offsets");
  int64_t begin, end;
  if (!offsets || offsets->kind != JSON_ARRAY || offsets->count != 2 ||
      !json_integer(offsets->child, 0, INT64_MAX, &begin) ||
      !json_integer(offsets->child->next, begin, INT64_MAX, &end)) {
    return fail_tensor(r, v->key, "has malformed data_offsets");
  }
  if ((uint64_t)end > r->size) return fail_tensor(r, v->key, "ends outside the file, which may be incomplete");
  if ((uint64_t)(end - begin) != bytes) return fail_tensor(r, v->key, "has data_offsets that do not fit its shape");
  t->type = type->type;
  t->data = r->data + begin;
  e->begin = (uint64_t)begin;
  e->end = (uint64_t)end;
  e->name = v->key;
  return DIT_OK;
}

static int compare_extents(const void *a, const void *b) {
  const extent *x = (const extent *)a, *y = (const extent *)b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

/* Checks that the tensors cover the data exactly. */
static dit_status check_cover(const safetensors_reader *r, extent *extents, size_t count) {
  uint64_t at = 0;
  qsort(extents, count, sizeof *extents, compare_extents);
  for (size_t i = 0; i < count; i++) {
    if (extents[i].begin < at) return fail_tensor(r, extents[i].name, "overlaps another tensor");
    if (extents[i].begin > at) return fail_tensor(r, extents[i].name, "follows a hole in the data");
    at = extents[i].end;
  }
  if (at == r->size) return DIT_OK;
  return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: %llu bytes at its end belong to no tensor", r->what,
                   (unsigned long long)(r->size - at));
}

static dit_status list_header(const safetensors_reader *r, const json_value *header, extent *extents, checkpoint *s) {
  size_t count = 0;
  for (const json_value *v = header->child; v; v = v->next) {
    if (strcmp(v->key, "__metadata__") == 0) continue;
    checkpoint_tensor tensor;
    memset(&tensor, 0, sizeof tensor);
    dit_status status = read_tensor(r, v, &tensor, &extents[count++]);
    if (status) return status;
    if (tensor.type == 0) continue;
    tensor.name = text_copy(v->key, strlen(v->key));
    if (!tensor.name) return dit__fail(r->error, DIT_ERROR_MEMORY, "%s: out of memory", r->what);
    s->tensors[s->count++] = tensor;
  }
  return check_cover(r, extents, count);
}

static dit_status list_all(const safetensors_reader *r, const json_value *header, checkpoint *s) {
  if (header->kind != JSON_OBJECT) {
    return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: the header is not an object", r->what);
  }
  size_t before = s->count;
  extent *extents = (extent *)calloc(header->count + 1, sizeof *extents);
  dit_status status = DIT_ERROR_MEMORY;
  if (extents && checkpoint_reserve(s, header->count))
    status = list_header(r, header, extents, s);
  else
    dit__fail(r->error, status, "%s: out of memory", r->what);
  free(extents);
  if (!status && s->count == before) {
    status = dit__fail(r->error, DIT_ERROR_FORMAT, "%s: holds no floating-point tensor", r->what);
  }
  return status;
}

dit_status safetensors_list(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error) {
  uint64_t length = size < 8 ? 0 : load_le64(bytes);
  if (length < 2 || length > size - 8 || length > HEADER_LIMIT) {
    return dit__fail(
        error, DIT_ERROR_FORMAT,
        "%s: a safetensors header of %llu bytes in a file of %zu; at most 100 MB are allowed, and the file "
        "may be incomplete",
        what, (unsigned long long)length, size);
  }
  if (bytes[8] != '{') {
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: the safetensors header does not begin with '{'", what);
  }
  char name[600];
  snprintf(name, sizeof name, "%s: header", what);
  json_value *header = json_parse((const char *)bytes + 8, (size_t)length, name, error);
  if (!header) return error ? error->status : DIT_ERROR_FORMAT;
  safetensors_reader reader = {what, error, bytes + 8 + length, size - 8 - length};
  snprintf(s->kind, sizeof s->kind, "safetensors");
  dit_status status = list_all(&reader, header, s);
  json_free(header);
  return status;
}
