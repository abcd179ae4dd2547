/* Tensors of a file: checked and loaded. */
#include "lib/core/numerics.h"

#include <stdio.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/integers.h"
#include "lib/core/little_endian.h"
#include "lib/model/q4.h"
#include "lib/model/tensors.h"

enum { TENSORS_WINOGRAD = 16 }; /* channels, in and out, from which on a convolution is Winograd's */
enum { TENSORS_NAME = 80 };     /* a tensor's name and .scale or .form */

static int tensors_is_vector(const dit__tensor *t) { return t->role == DIT__ROLE_BIAS || t->role == DIT__ROLE_NORM; }

static int tensors_is_matrix(const dit__tensor *t) {
  return t->role == DIT__ROLE_LINEAR || t->role == DIT__ROLE_CONV || t->role == DIT__ROLE_PATCHES;
}

/* The codes of a q4 matrix are int8 in one run; NULL: the matrix is of another type, or missing. */
static const dit__gguf_tensor *tensors_find_q4(const dit__gguf *gguf, const dit__tensor *t) {
  const dit__gguf_tensor *found = t->rank == 2 ? dit__gguf_find(gguf, t->name) : NULL;
  return found && found->type == DIT__GGUF_I8 && found->rank == 1 ? found : NULL;
}

/* ---- Checking ---- */

static void tensors_print_shape(const uint64_t *shape, uint32_t rank, char *out, size_t size) {
  size_t used = 0;
  for (uint32_t i = 0; i < rank; i++)
    used += (size_t)snprintf(out + used, size - used, "%s%llu", i ? "," : "", (unsigned long long)shape[i]);
}

static dit_status tensors_check_shape(const dit__gguf *gguf, const char *name, uint32_t rank, const uint64_t *shape,
                                      const dit__gguf_tensor **out, dit_error *error) {
  char is[96], expected[96];
  const dit__gguf_tensor *tensor = *out = dit__gguf_find(gguf, name);
  if (!tensor) return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s is missing", name);
  int same = tensor->rank == rank;
  for (uint32_t i = 0; same && i < rank; i++) same = tensor->shape[i] == shape[i];
  if (same) return DIT_OK;
  tensors_print_shape(tensor->shape, tensor->rank, is, sizeof is);
  tensors_print_shape(shape, rank, expected, sizeof expected);
  return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s has shape [%s], expected [%s]", name, is, expected);
}

static dit_status tensors_check_vector(const dit__gguf *gguf, const char *name, uint64_t count, dit_error *error) {
  const dit__gguf_tensor *tensor;
  dit_status status = tensors_check_shape(gguf, name, 1, &count, &tensor, error);
  if (!status && tensor->type == DIT__GGUF_I8)
    status = dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: a vector cannot be q8 or q4", name);
  return status;
}

static dit_status tensors_check_scale(const dit__gguf *gguf, const dit__tensor *t, dit_error *error) {
  char name[TENSORS_NAME];
  snprintf(name, sizeof name, "%s.scale", t->name);
  return tensors_check_vector(gguf, name, t->shape[0], error);
}

/* NAME.form must hold a row format for each row, and the codes must be as long as the formats say. */
static dit_status tensors_check_q4(const dit__gguf *gguf, const dit__tensor *t, const dit__gguf_tensor *codes,
                                   dit_error *error) {
  char name[TENSORS_NAME];
  const dit__gguf_tensor *form;
  if (t->role == DIT__ROLE_EMBEDDING) return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: cannot be q4", t->name);
  snprintf(name, sizeof name, "%s.form", t->name);
  const dit_status status = tensors_check_shape(gguf, name, 1, t->shape, &form, error);
  if (status) return status;
  const uint64_t rows = t->shape[0], k = t->shape[1];
  const uint64_t bits = form->type == DIT__GGUF_I8 ? dit__q4_sum_bits((const int8_t *)form->data, rows) : 0;
  const uint64_t size = k / 8 * bits; /* at most 2^26 rows of 2^16 codes, in any geometry */
  if (!bits) return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: must be int8 and hold known row formats", name);
  if (k % 8 || size != codes->count || size > UINT32_MAX)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s has %llu bytes, but by %s %llu rows of %llu numbers need %llu",
                     t->name, (unsigned long long)codes->count, name, (unsigned long long)rows, (unsigned long long)k,
                     (unsigned long long)size);
  return tensors_check_scale(gguf, t, error);
}

dit_status dit__tensor_check(const dit__gguf *gguf, const dit__tensor *t, dit_error *error) {
  const dit__gguf_tensor *tensor, *codes = tensors_find_q4(gguf, t);
  if (tensors_is_vector(t)) return tensors_check_vector(gguf, t->name, t->shape[0], error);
  if (codes) return tensors_check_q4(gguf, t, codes, error);
  const dit_status status = tensors_check_shape(gguf, t->name, t->rank, t->shape, &tensor, error);
  if (status || tensor->type != DIT__GGUF_I8) return status;
  if (t->rank != 2)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: only matrices of the transformer can be q8", t->name);
  return tensors_check_scale(gguf, t, error);
}

/* ---- Loading ---- */

static int32_t tensors_type(uint32_t type) {
  switch (type) {
    case DIT__GGUF_F32: return DIT__F32;
    case DIT__GGUF_F16: return DIT__F16;
    case DIT__GGUF_BF16: return DIT__BF16;
    default: return DIT__I8;
  }
}

/* Finds a tensor's numbers as the processor reads them: where they are in the file, or in a copy whose bytes are swapped
 * on a big-endian machine. Fails only without memory. */
static dit_status tensors_numbers(dit__loader *loader, const dit__gguf_tensor *tensor, const uint8_t **out) {
  *out = tensor->data;
  if (!DIT__BIG_ENDIAN || dit__gguf_type_size(tensor->type) == 1) return DIT_OK;
  const size_t size = dit__gguf_type_size(tensor->type);
  uint8_t *copy = (uint8_t *)dit__model_reserve(loader->model, (size_t)tensor->count * size, loader->error);
  if (!copy) return DIT_ERROR_MEMORY;
  copy_le(copy, tensor->data, size, (size_t)tensor->count);
  *out = copy;
  return DIT_OK;
}

static dit_status tensors_load_vector(dit__loader *loader, const char *name, const float **out) {
  const dit__gguf_tensor *tensor = dit__gguf_find(loader->model->gguf, name);
  const uint8_t *numbers;
  const dit_status status = tensors_numbers(loader, tensor, &numbers);
  if (status) return status;
  float *values = (float *)dit__model_allocate(loader->model, (size_t)tensor->count * sizeof(float), loader->error);
  if (!values) return DIT_ERROR_MEMORY;
  loader->model->kernels.convert(tensors_type(tensor->type), numbers, (int64_t)tensor->count, 0, values);
  *out = values;
  return DIT_OK;
}

static dit_status tensors_load_scale(dit__loader *loader, const dit__tensor *t, dit__weights *out) {
  char name[TENSORS_NAME];
  snprintf(name, sizeof name, "%s.scale", t->name);
  return tensors_load_vector(loader, name, &out->scale);
}

/* Describes the rows of a q4 matrix; the first one makes the decode table that all share. */
static dit_status tensors_load_q4(dit__loader *loader, const dit__tensor *t, const dit__gguf_tensor *codes,
                                  dit__weights *out) {
  char name[TENSORS_NAME];
  snprintf(name, sizeof name, "%s.form", t->name);
  const int8_t *row_formats = (const int8_t *)dit__gguf_find(loader->model->gguf, name)->data;
  out->data = codes->data;
  out->type = DIT__Q4;
  out->rows = (int32_t)t->shape[0];
  out->stride = out->k = (int32_t)t->shape[1];
  out->taps = 1;
  dit_status status = tensors_load_scale(loader, t, out);
  if (status) return status;
  uint32_t *row_offsets =
      (uint32_t *)dit__model_allocate(loader->model, ((size_t)out->rows + 1) * sizeof *row_offsets, loader->error);
  dit__q4 *q4 = row_offsets ? (dit__q4 *)dit__model_allocate(loader->model, sizeof *q4, loader->error) : NULL;
  if (!q4) return DIT_ERROR_MEMORY;
  if (!loader->decode_table) {
    loader->decode_table = (uint16_t *)dit__model_allocate(
        loader->model, DIT__Q4_TABLE_SIZE * sizeof *loader->decode_table, loader->error);
    if (!loader->decode_table) return DIT_ERROR_MEMORY;
    dit__q4_decode_table(loader->decode_table);
  }
  dit__q4_row_offsets(row_formats, (uint64_t)out->rows, (uint64_t)out->k, row_offsets);
  if (row_offsets[out->rows] != codes->count)
    return dit__fail(loader->error, DIT_ERROR_FORMAT, "tensor %s: the file was changed while it was opened", name);
  q4->row_formats = row_formats;
  q4->row_offsets = row_offsets;
  q4->decode_table = loader->decode_table;
  out->q4 = q4;
  return DIT_OK;
}

/* Weights of any type, where they are in the file if the processor can read them there. */
static dit_status tensors_load_weights(dit__loader *loader, const dit__tensor *t, dit__weights *out) {
  const dit__gguf_tensor *codes = tensors_find_q4(loader->model->gguf, t);
  if (codes) return tensors_load_q4(loader, t, codes, out);
  const dit__gguf_tensor *tensor = dit__gguf_find(loader->model->gguf, t->name);
  const uint64_t rows = t->role == DIT__ROLE_POSITIONS ? t->shape[1] : t->shape[0];
  const dit_status status = tensors_numbers(loader, tensor, &out->data);
  if (status) return status;
  out->type = tensors_type(tensor->type);
  out->rows = (int32_t)rows;
  out->k = (int32_t)(tensor->count / rows);
  out->stride = out->k;
  out->taps = t->role == DIT__ROLE_CONV ? (int32_t)(t->shape[2] * t->shape[3]) : 1;
  return out->type == DIT__I8 ? tensors_load_scale(loader, t, out) : DIT_OK;
}

/* Bytes of all panels of a matrix. */
static size_t tensors_packed_size(const dit__matrix *matrix, const dit__kernels *kernels) {
  const int64_t panels = ceil_div(matrix->weights.rows, dit__panel_columns(matrix, kernels));
  return align64(dit__panel_bytes(matrix, kernels) * (size_t)panels);
}

/* Which kernel multiplies with the matrix. 3x3 convolutions of stride 1 with enough channels are Winograd's: a rule that
 * decides bits (docs/numerics.md). */
static void tensors_choose_kernel(dit__loader *loader, const dit__tensor *t, dit__matrix *matrix) {
  const dit__kernels *kernels = &loader->model->kernels;
  const int32_t type = matrix->weights.type, compute = loader->model->info.compute;
  if (t->role == DIT__ROLE_CONV)
    matrix->winograd =
        t->shape[2] == 3 && t->stride == 1 && t->shape[0] >= TENSORS_WINOGRAD && t->shape[1] >= TENSORS_WINOGRAD;
  if (!(t->flags & DIT__LARGE) || t->flags & DIT__SELDOM) return;
  if (compute == DIT_COMPUTE_INT8 && (type == DIT__I8 || type == DIT__Q4)) matrix->qgemm = &kernels->i8;
  if (compute == DIT_COMPUTE_BF16) matrix->qgemm = &kernels->bf16;
}

dit_status dit__tensor_load(dit__loader *loader, const dit__tensor *t) {
  if (tensors_is_vector(t)) return tensors_load_vector(loader, t->name, t->into.vector);
  if (!tensors_is_matrix(t)) return tensors_load_weights(loader, t, t->into.weights);
  dit__matrix *matrix = t->into.matrix;
  const dit_status status = tensors_load_weights(loader, t, &matrix->weights);
  if (status) return status;
  tensors_choose_kernel(loader, t, matrix);
  if (!(t->flags & DIT__SELDOM)) loader->packed += tensors_packed_size(matrix, &loader->model->kernels);
  return DIT_OK;
}

dit_status dit__tensor_pack(dit__loader *loader, const dit__tensor *t) {
  if (!tensors_is_matrix(t) || t->flags & DIT__SELDOM) return DIT_OK;
  dit_model *model = loader->model;
  dit__matrix *matrix = t->into.matrix;
  uint8_t *to = loader->panels;
  loader->panels += tensors_packed_size(matrix, &model->kernels);
  const size_t size = dit__rows_bytes(matrix, &model->kernels);
  int8_t *rows = size ? (int8_t *)dit__allocate(&model->options, size, 64) : NULL;
  if (size && !rows) return dit__fail(loader->error, DIT_ERROR_MEMORY, "no memory for %zu bytes", size);
  dit__pack(&model->kernels, matrix, 0, matrix->weights.rows, rows, to);
  if (rows) dit__release(&model->options, rows, size);
  if (matrix->qgemm)
    matrix->packed_q = to;
  else
    matrix->panels = (const float *)(const void *)to;
  return DIT_OK;
}
