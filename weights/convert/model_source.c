#include "weights/convert/model_source.h"

#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "weights/convert/text.h"

static int type_of(uint32_t type) {
  switch (type) {
    case DIT__GGUF_F32: return SOURCE_F32;
    case DIT__GGUF_F16: return SOURCE_F16;
    case DIT__GGUF_BF16: return SOURCE_BF16;
    default: return SOURCE_Q8;
  }
}

/* The scales of NAME are the tensor NAME.scale; NULL: not there, or not a float32 for each row. */
static const uint8_t *find_scale(const dit__gguf *file, const dit__gguf_tensor *t) {
  char name[80];
  snprintf(name, sizeof name, "%s.scale", t->name);
  const dit__gguf_tensor *scale = t->rank == 2 ? dit__gguf_find(file, name) : NULL;
  return scale && scale->type == DIT__GGUF_F32 && scale->rank == 1 && scale->shape[0] == t->shape[0]
             ? (const uint8_t *)scale->data
             : NULL;
}

/* Whether a tensor is the scales of another. */
static int is_scale(const dit__gguf *file, const dit__gguf_tensor *t) {
  char name[64];
  size_t length = strlen(t->name);
  if (length < 7 || strcmp(t->name + length - 6, ".scale")) return 0;
  memcpy(name, t->name, length - 6);
  name[length - 6] = 0;
  const dit__gguf_tensor *of = dit__gguf_find(file, name);
  return of && of->type == DIT__GGUF_I8;
}

static dit_status add_tensor(source *s, const dit__gguf_tensor *t, const char *what, dit_error *error) {
  source_tensor *to = &s->tensors[s->count];
  memset(to, 0, sizeof *to);
  to->type = type_of(t->type);
  to->rank = (int)t->rank;
  to->data = (const uint8_t *)t->data;
  uint64_t stride = 1;
  for (int i = to->rank - 1; i >= 0; i--) {
    to->shape[i] = t->shape[i];
    to->stride[i] = stride;
    stride *= t->shape[i];
  }
  if (to->type == SOURCE_Q8 && !(to->scale = find_scale(s->model_file, t)))
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: tensor %s is int8 without its scales, %s.scale", what, t->name,
                     t->name);
  to->name = text_copy(t->name, strlen(t->name));
  if (!to->name) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", what);
  s->count++;
  return DIT_OK;
}

dit_status model_source_list(const uint8_t *bytes, size_t size, const char *what, source *s, dit_error *error) {
  const char *architecture = "";
  size_t length = 0;
  if (s->model_file) return dit__fail(error, DIT_ERROR_FORMAT, "%s: a second model file", what);
  dit_error inner = {0};
  dit_status status = dit__gguf_open(bytes, size, NULL, &s->model_file, &inner);
  if (status) return dit__fail(error, status, "%.180s: %.320s", what, inner.message);
  if (dit__gguf_string(s->model_file, "general.architecture", &architecture, &length, NULL) != 1 || length != 3 ||
      memcmp(architecture, "dit", 3))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "%s: a GGUF file of another kind of model than dit", what);
  uint64_t count = dit__gguf_tensor_count(s->model_file);
  if (!source_reserve(s, (size_t)count)) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", what);
  for (uint64_t i = 0; !status && i < count; i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(s->model_file, i);
    if (!is_scale(s->model_file, t)) status = add_tensor(s, t, what, error);
  }
  snprintf(s->kind, sizeof s->kind, "model file");
  return status;
}
