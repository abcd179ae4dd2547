/* Golden sets of families of networks, tests/golden/family: checkpoints of random weights, which a list of tensors
 * describes, and how they become models. */
#ifndef DIT_TEST_FAMILY_H
#define DIT_TEST_FAMILY_H

#include <inttypes.h>

#include "dit.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/convert/read/json.h"
#include "weights/convert/shape/inputs.h"

/* ---- The manifest of a set, and its arrays ---- */

NPY_UNUSED static json_value *family_manifest(const char *set) {
  char name[96], path[512];
  size_t size;
  dit_error error = {0};
  snprintf(name, sizeof name, "family/%s/manifest.json", set);
  char *text = (char *)npy_load(npy_golden(path, sizeof path, name), &size);
  json_value *value = text ? json_parse(text, size, path, &error) : NULL;
  CHECK(value, "%s cannot be read", path);
  free(text);
  return value;
}

/* The array PART of a case, in float64; of failure a check says so. */
static double *family_array(const char *set, const char *name, const char *part, npy_shape *shape) {
  char path[512], file[192];
  snprintf(file, sizeof file, "family/%s/%s__%s.npy", set, name, part);
  double *values = npy_f64(npy_golden(path, sizeof path, file), shape);
  CHECK(values, "%s cannot be read", path);
  return values;
}

NPY_UNUSED static int64_t family_number(const json_value *of, const char *key, int64_t otherwise) {
  const json_value *v = json_member(of, key);
  return v && v->kind == JSON_NUMBER ? (int64_t)v->number : otherwise;
}

/* ---- Checkpoints ---- */

typedef struct family_tensor {
  char name[96], shape[48]; /* shape: "288x96" */
  double scale, offset;
  uint64_t count;
} family_tensor;

/* The rule of the lists: value i = unit(i) * scale + offset, where unit is that of synthetic weights for SALT NAME. */
static void family_values(const char *salt, const family_tensor *t, float *out) {
  synthetic_rule rule = {0xcbf29ce484222325u, (float)t->scale, 0};
  for (const char *c = salt; *c; c++) rule.seed = (rule.seed ^ (uint8_t)*c) * 0x100000001b3u;
  for (const char *c = t->name; *c; c++) rule.seed = (rule.seed ^ (uint8_t)*c) * 0x100000001b3u;
  synthetic_read(&rule, 0, t->count, out);
  for (uint64_t i = 0; t->offset != 0 && i < t->count; i++) out[i] += (float)t->offset;
}

/* Reads a line of a list; returns whether there was one. */
static int family_next(FILE *list, family_tensor *t) {
  if (fscanf(list, "%95s %47s %lf %lf %*s", t->name, t->shape, &t->scale, &t->offset) != 4) return 0;
  t->count = 1;
  for (char *at = t->shape; *at; at += *at == 'x') t->count *= strtoull(at, &at, 10);
  return 1;
}

/* Writes the checkpoint that family/SET/MODEL.tensors.txt lists, as safetensors; 1 if it worked. */
NPY_UNUSED static int family_checkpoint(const char *set, const char *model, const char *path) {
  char name[160], list_path[512], salt[96] = "", header[1 << 16];
  uint64_t offset = 0, size;
  family_tensor t;
  int used = 0;
  snprintf(name, sizeof name, "family/%s/%s.tensors.txt", set, model);
  FILE *list = fopen(npy_golden(list_path, sizeof list_path, name), "r"), *to = fopen(path, "wb");
  if (!CHECK(list && to && fscanf(list, "# salt %95s", salt) == 1, "%s cannot be read", list_path)) return 0;
  for (long start = ftell(list), pass = 0; pass < 2; pass++) { /* the header, and then the values */
    fseek(list, start, SEEK_SET);
    for (int first = 1; family_next(list, &t); first = 0) {
      if (pass) {
        float *values = (float *)malloc((size_t)t.count * sizeof(float));
        family_values(salt, &t, values);
        fwrite(values, sizeof(float), (size_t)t.count, to);
        free(values);
        continue;
      }
      for (char *x = t.shape; *x; x++) *x = *x == 'x' ? ',' : *x;
      used += snprintf(header + used, sizeof header - (size_t)used,
                       "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}",
                       first ? "{" : ",", t.name, t.shape, offset, offset + 4 * t.count);
      offset += 4 * t.count;
    }
    if (pass) break;
    used += snprintf(header + used, sizeof header - (size_t)used, "}");
    size = (uint64_t)used;
    fwrite(&size, sizeof size, 1, to); /* as the format has it on little-endian machines */
    fwrite(header, 1, (size_t)used, to);
  }
  fclose(list);
  return CHECK(fclose(to) == 0, "%s cannot be written", path);
}

/* Converts a checkpoint and opens the model; NULL if a check failed. */
static dit_model *family_open(const char *checkpoint, const convert_options *options) {
  char path[512], note[256], report[4096] = "";
  inputs in;
  model_content content;
  dit_error error = {0};
  dit_model *model = NULL;
  memset(&in, 0, sizeof in);
  memset(&content, 0, sizeof content);
  dit_status status = inputs_add(&in, checkpoint, 0, NULL, &error);
  if (!status)
    status = content_add_checkpoint(&content, in.list[0].s, in.list[0].kind, &options->hints, note, sizeof note, report,
                                    sizeof report, &error);
  if (!status) status = model_write(&content, options, synthetic_path(path, sizeof path, "family"), NULL, NULL, &error);
  if (!status) status = dit_model_open(path, NULL, &model, &error);
  CHECK(status == DIT_OK, "%s: %s\n%s", checkpoint, error.message, report);
  remove(path);
  content_free(&content);
  inputs_free(&in);
  return model;
}

#endif
