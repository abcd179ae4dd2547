/* A reader of .npy files for the tests: versions 1 to 3, C order, f8 f4 i8 i4 u4 u1, little-endian. NULL on failure,
 * with the reason printed. The arrays are the caller's to free. */
#ifndef DIT_NPY_H
#define DIT_NPY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define NPY_UNUSED __attribute__((unused))
#else
#define NPY_UNUSED
#endif

typedef struct npy_shape {
  int32_t dimensions;
  int64_t size[8];
  int64_t count; /* product of the sizes */
} npy_shape;

typedef struct npy_raw {
  unsigned char *file; /* the whole file; data points into it */
  const unsigned char *data;
  char kind; /* 'f', 'i' or 'u' */
  int32_t width;
  npy_shape shape;
} npy_raw;

/* Where a golden file lies: NAME below $DIT_GOLDEN, or below tests/golden of the directory the tests run in. */
NPY_UNUSED static const char *npy_golden(char *path, size_t size, const char *name) {
  const char *folder = getenv("DIT_GOLDEN");
  snprintf(path, size, "%s/%s", folder && *folder ? folder : "tests/golden", name);
  return path;
}

static unsigned char *npy_load(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  unsigned char *bytes = NULL;
  long length = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
  if (length >= 0 && !fseek(file, 0, SEEK_SET)) bytes = (unsigned char *)malloc((size_t)length + 1);
  if (bytes && fread(bytes, 1, (size_t)length, file) != (size_t)length) {
    free(bytes);
    bytes = NULL;
  }
  fclose(file);
  if (bytes) bytes[length] = 0;
  *size = length < 0 ? 0 : (size_t)length;
  return bytes;
}

static uint64_t npy_little_endian(const unsigned char *bytes, int32_t width) {
  uint64_t value = 0;
  for (int32_t i = width; i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

/* The header is a Python dictionary: {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), } */
static const char *npy_header(const char *text, npy_raw *raw) {
  const char *type = strstr(text, "'descr':"), *order = strstr(text, "'fortran_order':"),
             *at = strstr(text, "'shape':");
  if (!type || !order || !at) return "the header lacks descr, fortran_order or shape";
  if (strncmp(order + 16, " False", 6) != 0) return "only C order is read";
  type += 8;
  while (*type == ' ' || *type == '\'') type++;
  if (*type != '<' && *type != '|') return "only little-endian numbers are read";
  raw->kind = type[1];
  raw->width = (int32_t)strtol(type + 2, NULL, 10);
  const char *known[] = {"f8", "f4", "i8", "i4", "u4", "u1"};
  int32_t i = 0;
  while (i < 6 && strncmp(type + 1, known[i], 2) != 0) i++;
  if (i == 6) return "only f8, f4, i8, i4, u4 and u1 are read";
  at = strchr(at, '(');
  if (!at) return "the shape is no tuple";
  raw->shape.dimensions = 0;
  raw->shape.count = 1;
  for (at++; *at && *at != ')'; at++) {
    if (*at == ' ' || *at == ',') continue;
    char *end;
    long long size = strtoll(at, &end, 10);
    if (end == at || size < 0 || raw->shape.dimensions == 8) return "the shape is not up to 8 whole numbers";
    if (size > 0 && raw->shape.count > INT64_MAX / 8 / size) return "the shape is too large";
    raw->shape.size[raw->shape.dimensions++] = size;
    raw->shape.count *= size;
    at = end - 1;
  }
  return *at == ')' ? NULL : "the shape does not end";
}

static const char *npy_parse(unsigned char *bytes, size_t size, npy_raw *raw) {
  if (size < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0) return "not an .npy file";
  int32_t field = bytes[6] == 1 ? 2 : 4;
  if (bytes[6] < 1 || bytes[6] > 3) return "unknown version";
  size_t start = 8 + (size_t)field, length = (size_t)npy_little_endian(bytes + 8, field);
  if (length > size - start || length == 0) return "the header is cut off";
  unsigned char kept = bytes[start + length - 1];
  bytes[start + length - 1] = 0; /* the newline that ends every header */
  if (kept != '\n') return "the header does not end in a newline";
  const char *wrong = npy_header((const char *)bytes + start, raw);
  if (wrong) return wrong;
  if ((size - start - length) / (size_t)raw->width < (size_t)raw->shape.count) return "the data are cut off";
  raw->file = bytes;
  raw->data = bytes + start + length;
  return NULL;
}

static int npy_open(const char *path, npy_raw *raw) {
  size_t size;
  unsigned char *bytes = npy_load(path, &size);
  const char *wrong = bytes ? npy_parse(bytes, size, raw) : "cannot be read";
  if (wrong) {
    printf("  %s: %s\n", path, wrong);
    free(bytes);
  }
  return !wrong;
}

static double npy_double(const npy_raw *raw, int64_t i) {
  uint64_t bits = npy_little_endian(raw->data + i * raw->width, raw->width);
  if (raw->kind == 'f' && raw->width == 8) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
  }
  if (raw->kind == 'f') {
    uint32_t half = (uint32_t)bits;
    float value;
    memcpy(&value, &half, sizeof value);
    return value;
  }
  if (raw->kind == 'u') return (double)bits;
  return raw->width == 8 ? (double)(int64_t)bits : (double)(int32_t)(uint32_t)bits;
}

/* Numbers of any type as double. `shape` may be NULL, here and below. */
NPY_UNUSED static double *npy_f64(const char *path, npy_shape *shape) {
  npy_raw raw;
  if (!npy_open(path, &raw)) return NULL;
  double *out = (double *)malloc(((size_t)raw.shape.count + 1) * sizeof *out);
  for (int64_t i = 0; out && i < raw.shape.count; i++) out[i] = npy_double(&raw, i);
  if (shape) *shape = raw.shape;
  free(raw.file);
  return out;
}

/* Numbers of any type as float; rounded if they are doubles. */
NPY_UNUSED static float *npy_f32(const char *path, npy_shape *shape) {
  npy_raw raw;
  if (!npy_open(path, &raw)) return NULL;
  float *out = (float *)malloc(((size_t)raw.shape.count + 1) * sizeof *out);
  for (int64_t i = 0; out && i < raw.shape.count; i++) out[i] = (float)npy_double(&raw, i);
  if (shape) *shape = raw.shape;
  free(raw.file);
  return out;
}

/* Whole numbers as int64; files of floats are refused. */
NPY_UNUSED static int64_t *npy_i64(const char *path, npy_shape *shape) {
  npy_raw raw;
  if (!npy_open(path, &raw)) return NULL;
  int64_t *out = raw.kind == 'f' ? NULL : (int64_t *)malloc(((size_t)raw.shape.count + 1) * sizeof *out);
  if (raw.kind == 'f') printf("  %s: floats where whole numbers were expected\n", path);
  for (int64_t i = 0; out && i < raw.shape.count; i++) {
    uint64_t bits = npy_little_endian(raw.data + i * raw.width, raw.width);
    out[i] = raw.kind == 'i' && raw.width == 4 ? (int64_t)(int32_t)(uint32_t)bits : (int64_t)bits;
  }
  if (shape) *shape = raw.shape;
  free(raw.file);
  return out;
}

#endif
