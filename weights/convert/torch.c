#include "weights/convert/torch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "weights/convert/pickle.h"
#include "weights/convert/text.h"
#include "weights/convert/zip.h"

/* Element types: SOURCE_* for those that are listed, PLAIN + bytes for those that are skipped. A constant's id is its
 * element type, for a data type (torch.float32) plus DATA_TYPE. */
enum { PLAIN = 16, DATA_TYPE = 64 };
enum { OTHER_NAME, REBUILD_V1, REBUILD_V2, REBUILD_V3, PARAMETER, SIZE };

/* All that a checkpoint of tensors and plain values mentions. */
static const pickle_global allowed[] = {
    {"collections", "OrderedDict", PICKLE_MAPPING, OTHER_NAME},
    {"argparse", "Namespace", PICKLE_OBJECT, OTHER_NAME},
    {"_codecs", "encode", PICKLE_FUNCTION, OTHER_NAME}, /* bytes, in protocol 2 */
    {"__builtin__", "set", PICKLE_FUNCTION, OTHER_NAME},
    {"builtins", "set", PICKLE_FUNCTION, OTHER_NAME},
    {"torch", "device", PICKLE_FUNCTION, OTHER_NAME},
    {"torch", "Size", PICKLE_FUNCTION, SIZE},
    {"torch._utils", "_rebuild_tensor", PICKLE_FUNCTION, REBUILD_V1},
    {"torch._utils", "_rebuild_tensor_v2", PICKLE_FUNCTION, REBUILD_V2},
    {"torch._utils", "_rebuild_tensor_v3", PICKLE_FUNCTION, REBUILD_V3},
    {"torch._utils", "_rebuild_parameter", PICKLE_FUNCTION, PARAMETER},
    {"torch", "FloatStorage", PICKLE_CONSTANT, SOURCE_F32},
    {"torch", "HalfStorage", PICKLE_CONSTANT, SOURCE_F16},
    {"torch", "BFloat16Storage", PICKLE_CONSTANT, SOURCE_BF16},
    {"torch", "DoubleStorage", PICKLE_CONSTANT, SOURCE_F64},
    {"torch", "LongStorage", PICKLE_CONSTANT, PLAIN + 8},
    {"torch", "IntStorage", PICKLE_CONSTANT, PLAIN + 4},
    {"torch", "ShortStorage", PICKLE_CONSTANT, PLAIN + 2},
    {"torch", "CharStorage", PICKLE_CONSTANT, PLAIN + 1},
    {"torch", "ByteStorage", PICKLE_CONSTANT, PLAIN + 1},
    {"torch", "BoolStorage", PICKLE_CONSTANT, PLAIN + 1},
    {"torch", "ComplexFloatStorage", PICKLE_CONSTANT, PLAIN + 8},
    {"torch", "ComplexDoubleStorage", PICKLE_CONSTANT, PLAIN + 16},
    {"torch", "UntypedStorage", PICKLE_CONSTANT, PLAIN + 1},
    {"torch.storage", "UntypedStorage", PICKLE_CONSTANT, PLAIN + 1},
    {"torch", "float32", PICKLE_CONSTANT, DATA_TYPE + SOURCE_F32},
    {"torch", "float16", PICKLE_CONSTANT, DATA_TYPE + SOURCE_F16},
    {"torch", "bfloat16", PICKLE_CONSTANT, DATA_TYPE + SOURCE_BF16},
    {"torch", "float64", PICKLE_CONSTANT, DATA_TYPE + SOURCE_F64},
    {"torch", "int64", PICKLE_CONSTANT, DATA_TYPE + PLAIN + 8},
    {"torch", "int32", PICKLE_CONSTANT, DATA_TYPE + PLAIN + 4},
    {"torch", "int16", PICKLE_CONSTANT, DATA_TYPE + PLAIN + 2},
    {"torch", "int8", PICKLE_CONSTANT, DATA_TYPE + PLAIN + 1},
    {"torch", "uint8", PICKLE_CONSTANT, DATA_TYPE + PLAIN + 1},
    {"torch", "uint16", PICKLE_CONSTANT, DATA_TYPE + PLAIN + 2},
    {"torch", "uint32", PICKLE_CONSTANT, DATA_TYPE + PLAIN + 4},
    {"torch", "uint64", PICKLE_CONSTANT, DATA_TYPE + PLAIN + 8},
    {"torch", "bool", PICKLE_CONSTANT, DATA_TYPE + PLAIN + 1},
    {NULL, NULL, PICKLE_CONSTANT, 0},
};

typedef struct torch_reader {
  const char *what;
  dit_error *error;
  zip archive;
  const char *prefix; /* of the names in the archive, without its slash */
  size_t prefix_length;
  const pickle_value *name; /* of the tensor being read */
} torch_reader;

static dit_status fail_tensor(const torch_reader *r, const char *sentence) {
  char shown[TEXT_SHOWN];
  return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: tensor '%s' %s", r->what,
                   text_shown(shown, r->name->of.text, r->name->count), sentence);
}

/* ---- The archive ---- */

static const zip_entry *find_entry(const torch_reader *r, const char *folder, const char *name, size_t length) {
  char path[600];
  size_t folder_length = strlen(folder);
  if (r->prefix_length + folder_length + length > sizeof path) return NULL;
  memcpy(path, r->prefix, r->prefix_length);
  memcpy(path + r->prefix_length, folder, folder_length);
  memcpy(path + r->prefix_length + folder_length, name, length);
  return zip_find(&r->archive, path, r->prefix_length + folder_length + length);
}

/* The one entry FOLDER/data.pkl; its folder is the prefix of all others. */
static dit_status find_pickle(torch_reader *r, const zip_entry **found) {
  static const char tail[] = "/data.pkl";
  const size_t length = sizeof tail - 1;
  *found = NULL;
  for (size_t i = 0; i < r->archive.count; i++) {
    const zip_entry *e = &r->archive.entries[i];
    if (e->name_length <= length || memcmp(e->name + e->name_length - length, tail, length) != 0) continue;
    if (memchr(e->name, '/', e->name_length - length)) continue;
    if (*found) return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: holds two checkpoints (data.pkl)", r->what);
    *found = e;
    r->prefix = e->name;
    r->prefix_length = e->name_length - length;
  }
  if (*found) return DIT_OK;
  return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: a zip archive, but not of torch.save: it has no data.pkl", r->what);
}

/* The small entries around the pickle. */
static dit_status check_archive(const torch_reader *r, const zip_entry *pickled) {
  if (find_entry(r, "/", "constants.pkl", 13)) {
    return dit__fail(r->error, DIT_ERROR_UNSUPPORTED,
                     "%s: a TorchScript program; save the model's state_dict() with torch.save instead", r->what);
  }
  const zip_entry *version = find_entry(r, "/", "version", 7), *order = find_entry(r, "/", "byteorder", 9);
  if (!version) return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: the entry 'version' is missing", r->what);
  dit_status status = zip_check(pickled, 1, r->what, r->error);
  if (!status) status = zip_check(version, 1, r->what, r->error);
  if (!status && order) status = zip_check(order, 1, r->what, r->error);
  if (!status && order && !(order->size == 6 && memcmp(order->data, "little", 6) == 0)) {
    return dit__fail(r->error, DIT_ERROR_UNSUPPORTED,
                     "%s: was written on a big-endian machine; load and save it again on another", r->what);
  }
  return status;
}

/* ---- Tensors ---- */

static int is_call(const pickle_value *v, int id) { return v->kind == PICKLE_CALL && v->global->id == id; }

static int is_rebuilt(const pickle_value *v) {
  return is_call(v, REBUILD_V1) || is_call(v, REBUILD_V2) || is_call(v, REBUILD_V3);
}

/* The tensor that v is, or that the parameter v holds; NULL: neither. */
static const pickle_value *as_tensor(const pickle_value *v) {
  if (is_call(v, PARAMETER) && v->count) v = v->of.items[0];
  return is_rebuilt(v) ? v : NULL;
}

static int holds_tensors(const pickle_value *v) {
  for (size_t i = 1; v && v->kind == PICKLE_DICT && i < v->count; i += 2) {
    if (as_tensor(v->of.items[i])) return 1;
  }
  return 0;
}

static size_t element_bytes(int type) {
  switch (type) {
    case SOURCE_F16:
    case SOURCE_BF16: return 2;
    case SOURCE_F32: return 4;
    case SOURCE_F64: return 8;
    default: return (size_t)(type - PLAIN);
  }
}

/* A tuple of at most SOURCE_RANK integers from 0 up; -1: it is none. */
static int read_extents(const pickle_value *v, uint64_t extents[SOURCE_RANK]) {
  if (is_call(v, SIZE) && v->count == 1) v = v->of.items[0];
  if (v->kind != PICKLE_TUPLE || v->count > SOURCE_RANK) return -1;
  for (size_t i = 0; i < v->count; i++) {
    const pickle_value *item = v->of.items[i];
    if (item->kind != PICKLE_INTEGER || item->of.integer < 0) return -1;
    extents[i] = (uint64_t)item->of.integer;
  }
  return (int)v->count;
}

/* Every element must lie among the `stored` elements behind `offset`. Strides that reach an element twice can make any
 * size of nothing, so there may be no more elements than stored ones. */
static dit_status check_reach(const torch_reader *r, const source_tensor *t, uint64_t offset, uint64_t stored) {
  uint64_t last = offset, elements = 1;
  for (int i = 0; i < t->rank; i++) {
    if (t->shape[i] == 0) elements = 0;
  }
  for (int i = 0; elements && i < t->rank; i++) {
    uint64_t steps = t->shape[i] - 1;
    if (t->shape[i] > stored / elements)
      return fail_tensor(r, "has more elements than its storage; save it contiguous");
    elements *= t->shape[i];
    if (steps && t->stride[i] > stored / steps) return fail_tensor(r, "reaches beyond its storage");
    if (last > stored) return fail_tensor(r, "reaches beyond its storage");
    last += steps * t->stride[i];
  }
  if (elements ? last >= stored : offset > stored) return fail_tensor(r, "reaches beyond its storage");
  return DIT_OK;
}

/* The storage of a tensor: ('storage', class, key, device, number of elements), as a persistent identifier. */
static dit_status read_storage(const torch_reader *r, const pickle_value *v, int *type, const zip_entry **entry) {
  const pickle_value *id = v->kind == PICKLE_PERSISTENT ? v->of.items[0] : NULL;
  if (!id || id->kind != PICKLE_TUPLE || id->count != 5 || !pickle_is_text(id->of.items[0], "storage")) {
    return fail_tensor(r, "has no storage");
  }
  const pickle_value *class_name = id->of.items[1], *key = id->of.items[2], *count = id->of.items[4];
  if (class_name->kind != PICKLE_NAME || class_name->global->use != PICKLE_CONSTANT ||
      class_name->global->id >= DATA_TYPE) {
    return fail_tensor(r, "has a storage of unknown class");
  }
  if (key->kind != PICKLE_TEXT || count->kind != PICKLE_INTEGER) return fail_tensor(r, "has a malformed storage");
  *type = class_name->global->id;
  *entry = find_entry(r, "/data/", key->of.text, key->count);
  if (!*entry) return fail_tensor(r, "has a storage that is not in the archive");
  dit_status status = zip_check(*entry, 0, r->what, r->error);
  if (status) return status;
  uint64_t bytes = element_bytes(*type);
  if (count->of.integer < 0 || (*entry)->size % bytes || (*entry)->size / bytes != (uint64_t)count->of.integer) {
    return fail_tensor(r, "has a storage whose zip entry is of another size");
  }
  return DIT_OK;
}

/* _rebuild_tensor...(storage, offset, size, stride, ...), of version 3 with the data type as seventh argument. */
static dit_status read_tensor(const torch_reader *r, const pickle_value *v, source_tensor *t) {
  pickle_value *const *argument = v->of.items;
  const zip_entry *entry = NULL;
  if (v->count < 4) return fail_tensor(r, "is made from too few arguments");
  dit_status status = read_storage(r, argument[0], &t->type, &entry);
  if (status) return status;
  if (is_call(v, REBUILD_V3)) {
    const pickle_value *data_type = v->count > 6 ? argument[6] : NULL;
    if (t->type != PLAIN + 1 || !data_type || data_type->kind != PICKLE_NAME || data_type->global->id < DATA_TYPE) {
      return fail_tensor(r, "has no data type");
    }
    t->type = data_type->global->id - DATA_TYPE;
  }
  if (t->type >= PLAIN) return DIT_OK;
  t->rank = read_extents(argument[2], t->shape);
  if (t->rank < 0 || argument[1]->kind != PICKLE_INTEGER || argument[1]->of.integer < 0 ||
      read_extents(argument[3], t->stride) != t->rank) {
    return fail_tensor(r, "has an impossible offset, shape or stride (at most 8 extents, nothing negative)");
  }
  uint64_t offset = (uint64_t)argument[1]->of.integer;
  status = check_reach(r, t, offset, entry->size / element_bytes(t->type));
  if (!status) t->data = entry->data + offset * element_bytes(t->type);
  return status;
}

/* ---- The state dict ---- */

static dit_status choose_dict(const torch_reader *r, const pickle_value *top, const pickle_value **chosen, source *s) {
  static const char *const members[3] = {"ema", "state_dict", "model"};
  static const char *const kinds[3] = {"PyTorch zip checkpoint (ema)", "PyTorch zip checkpoint (state_dict)",
                                       "PyTorch zip checkpoint (model)"};
  for (int i = 0; i < 3; i++) {
    *chosen = pickle_member(top, members[i]);
    s->kind = kinds[i];
    if (holds_tensors(*chosen)) return DIT_OK;
  }
  *chosen = top;
  s->kind = "PyTorch zip checkpoint";
  if (holds_tensors(top)) return DIT_OK;
  return dit__fail(r->error, DIT_ERROR_FORMAT,
                   "%s: holds no state dict: expected names with tensors, alone or as 'ema', 'state_dict' or 'model'",
                   r->what);
}

static dit_status check_names(const torch_reader *r, const source *s) {
  const char **names = (const char **)malloc((s->count + 1) * sizeof *names);
  if (!names) return dit__fail(r->error, DIT_ERROR_MEMORY, "%s: out of memory", r->what);
  for (size_t i = 0; i < s->count; i++) names[i] = s->tensors[i].name;
  const char *twice = text_duplicate(names, s->count);
  char shown[TEXT_SHOWN];
  dit_status status = DIT_OK;
  if (twice) {
    status = dit__fail(r->error, DIT_ERROR_FORMAT, "%s: tensor '%s' is there twice", r->what,
                       text_shown(shown, twice, strlen(twice)));
  }
  free((void *)names);
  return status;
}

static dit_status list_dict(torch_reader *r, const pickle_value *dict, source *s) {
  s->tensors = (source_tensor *)calloc(dict->count / 2, sizeof *s->tensors);
  if (!s->tensors) return dit__fail(r->error, DIT_ERROR_MEMORY, "%s: out of memory", r->what);
  for (size_t i = 0; i + 1 < dict->count; i += 2) {
    const pickle_value *v = as_tensor(dict->of.items[i + 1]);
    if (!v) continue;
    source_tensor tensor;
    memset(&tensor, 0, sizeof tensor);
    r->name = dict->of.items[i];
    if (r->name->kind != PICKLE_TEXT || !text_is_name(r->name->of.text, r->name->count)) {
      return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: the name of tensor %zu is not printable text", r->what, i / 2);
    }
    dit_status status = read_tensor(r, v, &tensor);
    if (status) return status;
    if (tensor.type >= PLAIN) continue;
    tensor.name = text_copy(r->name->of.text, r->name->count);
    if (!tensor.name) return dit__fail(r->error, DIT_ERROR_MEMORY, "%s: out of memory", r->what);
    s->tensors[s->count++] = tensor;
  }
  return check_names(r, s);
}

dit_status torch_list(const uint8_t *bytes, size_t size, const char *what, source *s, dit_error *error) {
  torch_reader reader = {what, error, {NULL, 0}, NULL, 0, NULL};
  const zip_entry *pickled = NULL;
  const pickle_value *dict = NULL;
  pickle *p = NULL;
  dit_status status = zip_open(bytes, size, what, &reader.archive, error);
  if (!status) status = find_pickle(&reader, &pickled);
  if (!status) status = check_archive(&reader, pickled);
  if (!status) status = pickle_open(pickled->data, (size_t)pickled->size, allowed, what, &p, error);
  if (!status) status = choose_dict(&reader, pickle_top(p), &dict, s);
  if (!status) status = list_dict(&reader, dict, s);
  pickle_close(p);
  zip_close(&reader.archive);
  return status;
}
