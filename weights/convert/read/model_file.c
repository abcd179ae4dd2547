#include "weights/convert/read/model_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/text.h"

static int type_of(uint32_t type) {
  switch (type) {
    case DIT__GGUF_F32: return CHECKPOINT_F32;
    case DIT__GGUF_F16: return CHECKPOINT_F16;
    case DIT__GGUF_BF16: return CHECKPOINT_BF16;
    default: return CHECKPOINT_Q8;
  }
}

/* Finds NAME.END, which has one number for each row. Returns NULL if it is missing, of another type, or has another
 * number of rows (0: any). */
static const dit__gguf_tensor *find_companion(const dit__gguf *file, const dit__gguf_tensor *t, const char *end,
                                              uint32_t type, uint64_t rows) {
  char name[80];
  snprintf(name, sizeof name, "%s.%s", t->name, end);
  const dit__gguf_tensor *found = dit__gguf_find(file, name);
  return found && found->type == type && found->rank == 1 && (!rows || found->shape[0] == rows) ? found : NULL;
}

/* Returns whether a tensor holds the scales of another, or the row formats of a q4 matrix. */
static int is_companion(const dit__gguf *file, const dit__gguf_tensor *t) {
  char name[64];
  const char *dot = strrchr(t->name, '.');
  if (!dot || (strcmp(dot, ".scale") && strcmp(dot, ".form"))) return 0;
  memcpy(name, t->name, (size_t)(dot - t->name));
  name[dot - t->name] = 0;
  const dit__gguf_tensor *of = dit__gguf_find(file, name);
  return of && of->type == DIT__GGUF_I8 && (of->rank == 1 || !strcmp(dot, ".scale"));
}

/* Adds a q4 matrix: `t` holds its codes, and only the row formats tell its shape. */
static dit_status add_q4(checkpoint *s, const dit__gguf_tensor *t, checkpoint_tensor *to, const char *what,
                         dit_error *error) {
  const dit__gguf_tensor *form = find_companion(s->model_file, t, "form", DIT__GGUF_I8, 0);
  const uint64_t rows = form ? form->shape[0] : 0;
  const uint64_t bits = form ? dit__q4_sum_bits((const int8_t *)form->data, rows) : 0;
  const uint64_t columns = bits && t->count % bits == 0 ? t->count / bits * 8 : 0;
  if (!columns || t->count > UINT32_MAX || rows > INT32_MAX || columns > INT32_MAX)
    return dit__fail(error, DIT_ERROR_FORMAT,
                     "%s: tensor %s is int8 and not a matrix, and its size does not match %s.form", what, t->name,
                     t->name);
  const dit__gguf_tensor *scale = find_companion(s->model_file, t, "scale", DIT__GGUF_F32, rows);
  if (!scale)
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: tensor %s is q4 without its scales, %s.scale", what, t->name,
                     t->name);
  checkpoint_q4 *q4 = to->q4 = (checkpoint_q4 *)calloc(1, sizeof *q4);
  if (!s->decode_table && (s->decode_table = (uint16_t *)malloc(DIT__Q4_TABLE_SIZE * sizeof *s->decode_table)))
    dit__q4_decode_table(s->decode_table);
  if (q4) q4->row_offsets = (uint32_t *)malloc((size_t)(rows + 1) * sizeof *q4->row_offsets);
  if (q4) q4->row = (int8_t *)malloc((size_t)columns);
  if (!q4 || !s->decode_table || !q4->row_offsets || !q4->row)
    return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", what);
  dit__q4_row_offsets((const int8_t *)form->data, rows, columns, q4->row_offsets);
  q4->rows.row_formats = (const int8_t *)form->data;
  q4->rows.row_offsets = q4->row_offsets;
  q4->rows.decode_table = s->decode_table;
  q4->weights.data = t->data;
  q4->weights.k = (int32_t)columns;
  q4->weights.q4 = &q4->rows;
  to->type = CHECKPOINT_Q4;
  to->scale = (const uint8_t *)scale->data;
  to->rank = 2;
  to->shape[0] = rows;
  to->shape[1] = to->stride[0] = columns;
  to->stride[1] = 1;
  return DIT_OK;
}

/* Adds a matrix of int8 with a scale for each row. */
static dit_status add_q8(const checkpoint *s, const dit__gguf_tensor *t, checkpoint_tensor *to, const char *what,
                         dit_error *error) {
  const dit__gguf_tensor *scale =
      t->rank == 2 ? find_companion(s->model_file, t, "scale", DIT__GGUF_F32, t->shape[0]) : NULL;
  if (!scale)
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: tensor %s is int8 without its scales, %s.scale", what, t->name,
                     t->name);
  to->scale = (const uint8_t *)scale->data;
  return DIT_OK;
}

static dit_status add_tensor(checkpoint *s, const dit__gguf_tensor *t, const char *what, dit_error *error) {
  checkpoint_tensor *to = &s->tensors[s->count];
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
  to->name = text_copy(t->name, strlen(t->name));
  s->count++;
  if (!to->name) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", what);
  if (to->type != CHECKPOINT_Q8) return DIT_OK;
  return t->rank == 1 ? add_q4(s, t, to, what, error) : add_q8(s, t, to, what, error);
}

dit_status model_file_list(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error) {
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
  if (!checkpoint_reserve(s, (size_t)count)) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", what);
  for (uint64_t i = 0; !status && i < count; i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(s->model_file, i);
    if (!is_companion(s->model_file, t)) status = add_tensor(s, t, what, error);
  }
  snprintf(s->kind, sizeof s->kind, "model file");
  return status;
}
