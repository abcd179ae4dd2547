#include "weights/convert/read/state_dict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/text.h"

/* Element types are CHECKPOINT_* for tensors that are listed, and PLAIN + bytes for those that are skipped. The id of a
 * constant is its element type, plus DATA_TYPE for data types such as torch.float32. */
enum { PLAIN = 16, DATA_TYPE = 64 };
/* How many times as large as the file its tensors may be, and how many bytes more. */
enum { MOST_SHARED = 4, SHARED_BYTES = 64 << 20 };
enum { OTHER_NAME, REBUILD_V1, REBUILD_V2, REBUILD_V3, PARAMETER, SIZE };

/* Everything that a checkpoint of tensors and plain values mentions. */
const pickle_global state_dict_names[] = {
    {"collections", "OrderedDict", PICKLE_MAPPING, OTHER_NAME},
    {"argparse", "Namespace", PICKLE_OBJECT, OTHER_NAME},
    {"_codecs", "encode", PICKLE_FUNCTION, OTHER_NAME}, /* bytes, in protocol 2 */
    {"__builtin__", "set", PICKLE_FUNCTION, OTHER_NAME},
    {"builtins", "set", PICKLE_FUNCTION, OTHER_NAME},
    {"pathlib", "PosixPath", PICKLE_FUNCTION, OTHER_NAME},
    {"numpy", "dtype", PICKLE_OBJECT, OTHER_NAME},
    {"numpy.core.multiarray", "scalar", PICKLE_FUNCTION, OTHER_NAME},
    {"numpy._core.multiarray", "scalar", PICKLE_FUNCTION, OTHER_NAME},
    {"torch", "device", PICKLE_FUNCTION, OTHER_NAME},
    {"torch", "Size", PICKLE_FUNCTION, SIZE},
    {"torch._utils", "_rebuild_tensor", PICKLE_FUNCTION, REBUILD_V1},
    {"torch._utils", "_rebuild_tensor_v2", PICKLE_FUNCTION, REBUILD_V2},
    {"torch._utils", "_rebuild_tensor_v3", PICKLE_FUNCTION, REBUILD_V3},
    {"torch._utils", "_rebuild_parameter", PICKLE_FUNCTION, PARAMETER},
    {"torch._utils", "_rebuild_parameter_with_state", PICKLE_FUNCTION, PARAMETER},
    {"torch", "FloatStorage", PICKLE_CONSTANT, CHECKPOINT_F32},
    {"torch", "HalfStorage", PICKLE_CONSTANT, CHECKPOINT_F16},
    {"torch", "BFloat16Storage", PICKLE_CONSTANT, CHECKPOINT_BF16},
    {"torch", "DoubleStorage", PICKLE_CONSTANT, CHECKPOINT_F64},
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
    {"torch", "float32", PICKLE_CONSTANT, DATA_TYPE + CHECKPOINT_F32},
    {"torch", "float16", PICKLE_CONSTANT, DATA_TYPE + CHECKPOINT_F16},
    {"torch", "bfloat16", PICKLE_CONSTANT, DATA_TYPE + CHECKPOINT_BF16},
    {"torch", "float64", PICKLE_CONSTANT, DATA_TYPE + CHECKPOINT_F64},
    {"torch", "float8_e4m3fn", PICKLE_CONSTANT, DATA_TYPE + CHECKPOINT_E4M3},
    {"torch", "float8_e5m2", PICKLE_CONSTANT, DATA_TYPE + CHECKPOINT_E5M2},
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

static dit_status fail_tensor(const state_dict_reader *r, const char *sentence) {
  char shown[TEXT_SHOWN];
  return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: tensor '%s' %s", r->what,
                   text_shown(shown, r->name->of.text, r->name->count), sentence);
}

/* ---- Tensors ---- */

static int is_call(const pickle_value *v, int id) { return v->kind == PICKLE_CALL && v->global->id == id; }

static int is_rebuilt(const pickle_value *v) {
  return is_call(v, REBUILD_V1) || is_call(v, REBUILD_V2) || is_call(v, REBUILD_V3);
}

/* Returns the tensor that v is, or that the parameter v holds; NULL if it is neither. */
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
    case CHECKPOINT_F16:
    case CHECKPOINT_BF16: return 2;
    case CHECKPOINT_F32: return 4;
    case CHECKPOINT_F64: return 8;
    case CHECKPOINT_E4M3:
    case CHECKPOINT_E5M2: return 1;
    default: return (size_t)(type - PLAIN);
  }
}

/* Reads a tuple of integers from 0 up. Returns its length, or -1 if it is no such tuple or longer than
 * CHECKPOINT_MAX_RANK. */
static int read_extents(const pickle_value *v, uint64_t extents[CHECKPOINT_MAX_RANK]) {
  if (is_call(v, SIZE) && v->count == 1) v = v->of.items[0];
  if (v->kind != PICKLE_TUPLE || v->count > CHECKPOINT_MAX_RANK) return -1;
  for (size_t i = 0; i < v->count; i++) {
    const pickle_value *item = v->of.items[i];
    if (item->kind != PICKLE_INTEGER || item->of.integer < 0) return -1;
    extents[i] = (uint64_t)item->of.integer;
  }
  return (int)v->count;
}

/* Checks that every element lies among the `stored` elements of a storage, from `offset` on. As strides can reach an
 * element more than once, a tensor could claim any size; so it may have no more elements than are stored. */
static dit_status check_reach(const state_dict_reader *r, const checkpoint_tensor *t, uint64_t offset,
                              uint64_t stored) {
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

/* Adds a tensor to the sum of all. Any number of them can share a storage, so that a small file could claim to hold
 * terabytes; what programs save shares little. */
static dit_status count_bytes(state_dict_reader *r, const checkpoint_tensor *t) {
  const uint64_t bytes = checkpoint_elements(t) * element_bytes(t->type), most = MOST_SHARED * r->size + SHARED_BYTES;
  if (bytes > most || r->listed > most - bytes)
    return dit__fail(
        r->error, DIT_ERROR_UNSUPPORTED,
        "%s: its tensors share storages so much that they are more than 4 times as large as the file; save "
        "clones of them",
        r->what);
  r->listed += bytes;
  return DIT_OK;
}

/* Takes apart a persistent identifier ('storage', class, key, device, number of elements[, view]). */
static int take_storage(const pickle_value *v, state_dict_storage *out) {
  const pickle_value *id = v->kind == PICKLE_PERSISTENT ? v->of.items[0] : NULL;
  if (!id || id->kind != PICKLE_TUPLE || id->count < 5 || id->count > 6 || !pickle_is_text(id->of.items[0], "storage"))
    return 0;
  const pickle_value *class_name = id->of.items[1], *key = id->of.items[2], *count = id->of.items[4];
  if (class_name->kind != PICKLE_NAME || class_name->global->use != PICKLE_CONSTANT ||
      class_name->global->id >= DATA_TYPE || key->kind != PICKLE_TEXT || count->kind != PICKLE_INTEGER ||
      count->of.integer < 0)
    return 0;
  out->key = key->of.text;
  out->key_length = key->count;
  out->type = class_name->global->id;
  out->element = element_bytes(out->type);
  out->count = (uint64_t)count->of.integer;
  out->view = id->count == 6 && id->of.items[5]->kind != PICKLE_NONE ? id->of.items[5] : NULL;
  return 1;
}

int state_dict_next_storage(const pickle *p, size_t *cursor, state_dict_storage *out) {
  for (const pickle_value *v; (v = pickle_next(p, cursor)) != NULL;)
    if (take_storage(v, out)) return 1;
  return 0;
}

static dit_status read_storage(const state_dict_reader *r, const pickle_value *v, int *type, const uint8_t **data,
                               uint64_t *stored) {
  state_dict_storage storage;
  if (!take_storage(v, &storage)) return fail_tensor(r, "has no storage, or a malformed one, or one of unknown class");
  if (storage.count > UINT64_MAX / storage.element) return fail_tensor(r, "has a storage of impossible size");
  *type = storage.type;
  *stored = storage.count;
  const char *wrong = NULL;
  dit_status status = r->find(r, &storage, data, stored, &wrong);
  return wrong ? fail_tensor(r, wrong) : status;
}

/* Returns whether the last argument of a tensor says that its numbers are others than those stored: views of complex
 * tensors, since PyTorch 2, are stored with {"neg": True} or {"conj": True}. */
static int is_lazy(const pickle_value *flags) {
  for (size_t i = 1; flags->kind == PICKLE_DICT && i < flags->count; i += 2) {
    const pickle_value *v = flags->of.items[i];
    if (v->kind != PICKLE_BOOL || v->of.integer) return 1;
  }
  return 0;
}

/* Reads _rebuild_tensor...(storage, offset, size, stride, requires grad, hooks[, data type][, flags]); version 3 has the
 * data type. */
static dit_status read_tensor(const state_dict_reader *r, const pickle_value *v, checkpoint_tensor *t) {
  pickle_value *const *argument = v->of.items;
  const uint8_t *data = NULL;
  uint64_t stored = 0;
  if (v->count < 4) return fail_tensor(r, "is made from too few arguments");
  dit_status status = read_storage(r, argument[0], &t->type, &data, &stored);
  if (status) return status;
  if (is_call(v, REBUILD_V3)) {
    const pickle_value *data_type = v->count > 6 ? argument[6] : NULL;
    if (t->type != PLAIN + 1 || !data_type || data_type->kind != PICKLE_NAME || data_type->global->id < DATA_TYPE) {
      return fail_tensor(r, "has no data type");
    }
    t->type = data_type->global->id - DATA_TYPE;
    stored /= element_bytes(t->type); /* an untyped storage counts bytes */
  }
  if (t->type >= PLAIN) return DIT_OK;
  if (v->count > 6 && is_lazy(argument[v->count - 1]))
    return fail_tensor(r, "is stored as a view that changes its numbers; save its .resolve_conj().resolve_neg()");
  t->rank = read_extents(argument[2], t->shape);
  if (t->rank < 0 || argument[1]->kind != PICKLE_INTEGER || argument[1]->of.integer < 0 ||
      read_extents(argument[3], t->stride) != t->rank) {
    return fail_tensor(r, "has an impossible offset, shape or stride (at most 8 extents, nothing negative)");
  }
  uint64_t offset = (uint64_t)argument[1]->of.integer;
  status = check_reach(r, t, offset, stored);
  t->big_endian = r->big_endian;
  if (!status) t->data = data + offset * element_bytes(t->type);
  return status;
}

/* ---- The state dict ---- */

/* Where training programs keep the weights; moving averages come first, as samples are made with them. */
static const char *const members[] = {
    "ema",  "ema_state_dict", "state_dict_ema",   "model_ema", "ema_model", "ema_params", "params_ema",
    "emas", "state_dict",     "model_state_dict", "model",     "module",    "params",     "weights",
};

static dit_status choose_dict(const state_dict_reader *r, const pickle_value *top, const pickle_value **chosen,
                              checkpoint *s) {
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
    *chosen = pickle_member(top, members[i]);
    if (!holds_tensors(*chosen)) continue;
    snprintf(s->kind, sizeof s->kind, "%s (%s)", r->format, members[i]);
    return DIT_OK;
  }
  *chosen = top;
  snprintf(s->kind, sizeof s->kind, "%s", r->format);
  if (holds_tensors(top)) return DIT_OK;
  return dit__fail(r->error, DIT_ERROR_FORMAT,
                   "%s: holds no state dict: expected names with tensors, alone or as 'ema', 'state_dict', 'model' ...",
                   r->what);
}

dit_status state_dict_list(state_dict_reader *r, const pickle_value *top, checkpoint *s) {
  const pickle_value *dict;
  dit_status status = choose_dict(r, top, &dict, s);
  if (status) return status;
  if (!checkpoint_reserve(s, dict->count / 2))
    return dit__fail(r->error, DIT_ERROR_MEMORY, "%s: out of memory", r->what);
  for (size_t i = 0; i + 1 < dict->count; i += 2) {
    const pickle_value *v = as_tensor(dict->of.items[i + 1]);
    if (!v) continue;
    checkpoint_tensor tensor;
    memset(&tensor, 0, sizeof tensor);
    r->name = dict->of.items[i];
    if (r->name->kind != PICKLE_TEXT || !text_is_name(r->name->of.text, r->name->count)) {
      return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: the name of tensor %zu is not printable text", r->what, i / 2);
    }
    status = read_tensor(r, v, &tensor);
    if (status) return status;
    if (tensor.type >= PLAIN) continue;
    status = count_bytes(r, &tensor);
    if (status) return status;
    tensor.name = text_copy(r->name->of.text, r->name->count);
    if (!tensor.name) return dit__fail(r->error, DIT_ERROR_MEMORY, "%s: out of memory", r->what);
    s->tensors[s->count++] = tensor;
  }
  return checkpoint_check_names(s, r->what, r->error);
}
