/* The settings that pictures were made with. One table says how each value is written and read. */
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "pytorch.h"

static const char HASH_PREFIX[] = "fnv1a64:";

#define AT(member) .offset = offsetof(record, member)
#define INTEGER(member, least, greatest) .kind = FIELD_INT, AT(member), .low = least, .high = greatest
#define REAL(member, least, greatest) .kind = FIELD_REAL, AT(member), .low = least, .high = greatest
#define WORD(member, function) .kind = FIELD_WORD, AT(member), .names = function
#define HASH(member) .kind = FIELD_HASH, AT(member)
#define IF(member) .condition = offsetof(record, member)

const record_field record_fields[] = {
    {"Model hash", "model_hash", HASH(model_hash)},
    {"DIT_NUMERICS", "numerics", INTEGER(numerics, 1, 1000000)},
    {"Compute", "compute", WORD(compute, dit_compute_name)},
    {"Width", "width", INTEGER(params.width, 1, 16384)},
    {"Height", "height", INTEGER(params.height, 1, 16384)},
    {"Scale", "scale", INTEGER(scale, 1, 64)},
    {"Steps", "steps", INTEGER(params.steps, 1, 1000)},
    {"Sampler", "sampler", WORD(params.sampler, dit_sampler_name)},
    {"Timestep spacing", "timestep_spacing", WORD(params.timestep_spacing, dit_spacing_name)},
    {"Timestep shift", "timestep_shift", REAL(params.timestep_shift, 0.01, 100), IF(has_shift)},
    {"Generator", "generator", WORD(params.generator, dit_generator_name)},
    {"Program", "program", WORD(program, pytorch_name), IF(has_program)},
    {"Batch size", "batch_size", INTEGER(batch_size, 1, MAX_PICTURES), IF(has_program)},
    {"Batch index", "batch_index", INTEGER(batch_index, 0, MAX_PICTURES), IF(has_program)},
    {"Variance type", "variance_type", WORD(params.variance_type, dit_variance_name)},
    {"Clip sample", "clip_sample", WORD(params.clip_sample, dit_clip_name)},
    {"Eta", "eta", REAL(params.eta, 0, 1)},
    {"Guidance scale", "guidance_scale", REAL(params.guidance_scale, 1e-6, 1000)},
    {"Guidance channels", "guidance_channels", INTEGER(params.guidance_channels, 1, 65536)},
    {"Guidance start", "guidance_start", REAL(params.guidance_start, 0, 1)},
    {"Guidance end", "guidance_end", REAL(params.guidance_end, 1e-6, 1)},
    {"Cache interval", "cache_interval", INTEGER(params.cache_interval, 2, 1000), IF(has_cache)},
    {"Class B number", "class_b", INTEGER(class_b, 0, INT32_MAX), IF(has_class_b)},
    {"Class mix", "class_mix", REAL(params.class_mix, 0, 1), IF(has_class_b)},
    {"Init image", "init_image", HASH(init_image_hash), IF(has_init_image)},
    {"Strength", "strength", REAL(params.strength, 1e-6, 1), IF(has_init_image)},
    {"Mask", "mask", HASH(mask_hash), IF(has_mask)},
    {.key = NULL},
};

static int32_t int_at(const record *r, size_t offset) {
  int32_t value;
  memcpy(&value, (const char *)r + offset, sizeof value);
  return value;
}

int record_has(const record *r, const record_field *f) { return f->condition == 0 || int_at(r, f->condition) != 0; }

void record_print(const record *r, const record_field *f, char text[MAX_RECORD_TEXT]) {
  const char *from = (const char *)r + f->offset;
  float real;
  uint64_t hash;
  switch (f->kind) {
    case FIELD_INT: snprintf(text, MAX_RECORD_TEXT, "%d", int_at(r, f->offset)); break;
    case FIELD_WORD: snprintf(text, MAX_RECORD_TEXT, "%s", enum_name(f->names, int_at(r, f->offset))); break;
    case FIELD_REAL:
      memcpy(&real, from, sizeof real);
      snprintf(text, MAX_RECORD_TEXT, "%.9g", (double)real); /* 9 digits give every float back */
      break;
    default: memcpy(&hash, from, sizeof hash); snprintf(text, MAX_RECORD_TEXT, "%s%016" PRIx64, HASH_PREFIX, hash);
  }
}

static int parse_hash(const char *text, uint64_t *hash) {
  size_t prefix = strlen(HASH_PREFIX);
  if (strncmp(text, HASH_PREFIX, prefix) != 0 || strlen(text) != prefix + 16) return 0;
  if (strspn(text + prefix, "0123456789abcdef") != 16) return 0;
  *hash = strtoull(text + prefix, NULL, 16);
  return 1;
}

static int parse_int(const char *text, const record_field *f, int32_t *value) {
  uint64_t number = 0;
  if (!number_digits(text, strlen(text), &number)) return 0;
  if ((double)number < f->low || (double)number > f->high) return 0;
  *value = (int32_t)number;
  return 1;
}

int record_parse(record *r, const record_field *f, const char *text) {
  union {
    uint64_t hash;
    float real;
    int32_t integer;
  } value = {0};
  size_t size = sizeof value.integer;
  int good = 0;
  if (strlen(text) >= MAX_RECORD_TEXT) return 0;
  switch (f->kind) {
    case FIELD_INT: good = parse_int(text, f, &value.integer); break;
    case FIELD_WORD: value.integer = enum_find(f->names, text), good = value.integer != 0; break;
    case FIELD_REAL: good = number_real(text, f->low, f->high, &value.real), size = sizeof value.real; break;
    default: good = parse_hash(text, &value.hash), size = sizeof value.hash;
  }
  if (good) memcpy((char *)r + f->offset, &value, size);
  return good;
}

void record_free(record *r) {
  free(r->row_classes);
  r->row_classes = NULL;
}
