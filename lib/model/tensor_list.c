/* What the lists of all families are made with. */
#include "lib/core/numerics.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/model/tensor_list.h"

uint64_t dit__tensor_elements(const dit__tensor *tensor) {
  return tensor->shape[0] * tensor->shape[1] * tensor->shape[2] * tensor->shape[3];
}

dit__tensor_list dit__list_begin(dit__tensor_visit *visit, void *user) {
  const dit__tensor_list list = {.visit = visit, .user = user, .block = -1};
  return list;
}

void dit__list_prefix(dit__tensor_list *list, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(list->prefix, sizeof list->prefix, format, arguments);
  va_end(arguments);
}

/* Describes the tensor PREFIX NAME SUFFIX. */
static dit__tensor list_tensor(const dit__tensor_list *list, const char *name, const char *suffix,
                               dit__tensor_role role, uint32_t rank, const int64_t *shape) {
  dit__tensor tensor;
  memset(&tensor, 0, sizeof tensor);
  snprintf(tensor.name, sizeof tensor.name, "%s%s%s", list->prefix, name, suffix);
  tensor.rank = rank;
  for (uint32_t i = 0; i < 4; i++) tensor.shape[i] = i < rank ? (uint64_t)shape[i] : 1;
  tensor.role = role;
  tensor.block = list->block;
  tensor.stride = 1;
  return tensor;
}

static void list_visit(dit__tensor_list *list, const dit__tensor *tensor) {
  if (!list->status) list->status = list->visit(list->user, tensor);
}

static void list_vector(dit__tensor_list *list, const char *name, const char *suffix, dit__tensor_role role,
                        dit__tensor_part part, int64_t count, const float **vector) {
  dit__tensor tensor = list_tensor(list, name, suffix, role, 1, &count);
  tensor.part = part;
  tensor.into.vector = vector;
  list_visit(list, &tensor);
}

void dit__list_linear(dit__tensor_list *list, const char *name, int64_t rows, int64_t k, dit__tensor_part part,
                      int32_t flags, dit__matrix *matrix) {
  const int64_t shape[2] = {rows, k};
  dit__tensor tensor = list_tensor(list, name, ".weight", DIT__ROLE_LINEAR, 2, shape);
  tensor.part = part;
  tensor.flags = flags;
  tensor.into.matrix = matrix;
  list_visit(list, &tensor);
  list_vector(list, name, ".bias", DIT__ROLE_BIAS, part, rows, DIT__MEMBER(matrix, bias));
}

static void list_kernel(dit__tensor_list *list, const char *name, dit__tensor_role role, int64_t in, int64_t out,
                        int64_t side, int32_t stride, dit__matrix *matrix) {
  const int64_t shape[4] = {out, in, side, side};
  dit__tensor tensor = list_tensor(list, name, ".weight", role, 4, shape);
  tensor.stride = stride;
  tensor.into.matrix = matrix;
  list_visit(list, &tensor);
  list_vector(list, name, ".bias", DIT__ROLE_BIAS, DIT__PART_OTHER, out, DIT__MEMBER(matrix, bias));
}

void dit__list_conv(dit__tensor_list *list, const char *name, int64_t in, int64_t out, int64_t side, int32_t stride,
                    dit__matrix *matrix) {
  list_kernel(list, name, DIT__ROLE_CONV, in, out, side, stride, matrix);
}

void dit__list_patches(dit__tensor_list *list, const char *name, int64_t in, int64_t out, int64_t side,
                       dit__matrix *matrix) {
  list_kernel(list, name, DIT__ROLE_PATCHES, in, out, side, (int32_t)side, matrix);
}

void dit__list_norm(dit__tensor_list *list, const char *name, int64_t channels, int32_t biased, dit__norm *norm) {
  list_vector(list, name, ".weight", DIT__ROLE_NORM, DIT__PART_OTHER, channels, DIT__MEMBER(norm, gamma));
  if (biased) list_vector(list, name, ".bias", DIT__ROLE_BIAS, DIT__PART_OTHER, channels, DIT__MEMBER(norm, beta));
}

void dit__list_embedding(dit__tensor_list *list, const char *name, int64_t entries, int64_t k, dit__weights *table) {
  const int64_t shape[2] = {entries, k};
  dit__tensor tensor = list_tensor(list, name, ".weight", DIT__ROLE_EMBEDDING, 2, shape);
  tensor.into.weights = table;
  list_visit(list, &tensor);
}

void dit__list_positions(dit__tensor_list *list, const char *name, int64_t tokens, int64_t k, dit__weights *table) {
  const int64_t shape[3] = {1, tokens, k};
  dit__tensor tensor = list_tensor(list, name, "", DIT__ROLE_POSITIONS, 3, shape);
  tensor.into.weights = table;
  list_visit(list, &tensor);
}
