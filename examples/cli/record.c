/* What a picture was made with. One table says how each value is written and read. */
#include "record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "number.h"
#include "program.h"

enum { PICTURE_LIMIT = 65536, LIST_LIMIT = 12 * PICTURE_LIMIT };
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
    {"Generator", "generator", WORD(params.generator, dit_generator_name)},
    {"Noise as of", "program", WORD(program, program_name), IF(has_program)},
    {"Batch", "batch", INTEGER(batch, 1, PICTURE_LIMIT), IF(has_program)},
    {"Place in batch", "batch_first", INTEGER(batch_first, 0, PICTURE_LIMIT), IF(has_program)},
    {"Variance type", "variance_type", WORD(params.variance_type, dit_variance_name)},
    {"Clip sample", "clip_sample", WORD(params.clip_sample, dit_clip_name)},
    {"Eta", "eta", REAL(params.eta, 0, 1)},
    {"Guidance scale", "guidance_scale", REAL(params.guidance_scale, 1e-6, 1000)},
    {"Guidance channels", "guidance_channels", INTEGER(params.guidance_channels, 1, 65536)},
    {"Guidance start", "guidance_start", REAL(params.guidance_start, 0, 1)},
    {"Guidance end", "guidance_end", REAL(params.guidance_end, 1e-6, 1)},
    {"Cache interval", "cache_interval", INTEGER(params.cache_interval, 2, 1000), IF(has_cache)},
    {"Mix class number", "mix_class", INTEGER(mix_class, 0, INT32_MAX), IF(has_mix)},
    {"Class mix", "class_mix", REAL(params.class_mix, 0, 1), IF(has_mix)},
    {"Start picture", "start", HASH(start_hash), IF(has_start)},
    {"Strength", "strength", REAL(params.strength, 1e-6, 1), IF(has_start)},
    {"Mask", "mask", HASH(mask_hash), IF(has_mask)},
    {.key = NULL},
};

static int32_t int_at(const record *r, size_t offset) {
  int32_t value;
  memcpy(&value, (const char *)r + offset, sizeof value);
  return value;
}

int record_has(const record *r, const record_field *f) { return f->condition == 0 || int_at(r, f->condition) != 0; }

void record_print(const record *r, const record_field *f, char text[RECORD_TEXT]) {
  const char *from = (const char *)r + f->offset;
  float real;
  uint64_t hash;
  switch (f->kind) {
    case FIELD_INT: snprintf(text, RECORD_TEXT, "%d", int_at(r, f->offset)); break;
    case FIELD_WORD: snprintf(text, RECORD_TEXT, "%s", enum_name(f->names, int_at(r, f->offset))); break;
    case FIELD_REAL:
      memcpy(&real, from, sizeof real);
      snprintf(text, RECORD_TEXT, "%.9g", (double)real);
      break;
    default: memcpy(&hash, from, sizeof hash); snprintf(text, RECORD_TEXT, "%s%016" PRIx64, HASH_PREFIX, hash);
  }
}

/* ---- Reading: the text may come from anybody ---- */

static int parse_hash(const char *text, uint64_t *hash) {
  size_t prefix = strlen(HASH_PREFIX);
  if (strncmp(text, HASH_PREFIX, prefix) != 0 || strlen(text) != prefix + 16) return 0;
  if (strspn(text + prefix, "0123456789abcdef") != 16) return 0;
  *hash = strtoull(text + prefix, NULL, 16);
  return 1;
}

static int parse_field(const char *text, const record_field *f, record *r) {
  char *to = (char *)r + f->offset;
  uint64_t number = 0;
  int32_t value = 0;
  float real = 0;
  int good = strlen(text) < RECORD_TEXT;
  if (f->kind == FIELD_HASH) {
    good = good && parse_hash(text, &number);
    memcpy(to, &number, sizeof number);
  } else if (f->kind == FIELD_REAL) {
    good = good && number_real(text, f->low, f->high, &real);
    memcpy(to, &real, sizeof real);
  } else {
    if (f->kind == FIELD_WORD) {
      value = enum_find(f->names, text);
      good = good && value;
    } else {
      good =
          good && number_digits(text, strlen(text), &number) && (double)number >= f->low && (double)number <= f->high;
      value = (int32_t)number;
    }
    memcpy(to, &value, sizeof value);
  }
  return good;
}

/* "7", or "7 to 9", which are three. */
static int parse_seeds(const char *text, record *r) {
  const char *to = strstr(text, " to ");
  uint64_t last = 0;
  if (strlen(text) >= RECORD_TEXT) return 0;
  if (!number_digits(text, to ? (size_t)(to - text) : strlen(text), &r->seed)) return 0;
  last = r->seed;
  if (to && !number_digits(to + 4, strlen(to + 4), &last)) return 0;
  if (last - r->seed >= PICTURE_LIMIT) return 0; /* seeds go on with 0 after the last */
  r->columns = (int32_t)(last - r->seed + 1);
  return 1;
}

/* "3", or "3,none,4": the classes of the rows. */
static int parse_rows(const char *text, record *r) {
  size_t length = strlen(text), commas = 0;
  if (length > LIST_LIMIT) return 0;
  for (size_t i = 0; i < length; i++) commas += text[i] == ',';
  if (commas >= PICTURE_LIMIT) return 0;
  r->row_classes = (int32_t *)malloc((commas + 1) * sizeof *r->row_classes);
  if (!r->row_classes) return 0;
  for (const char *word = text; word;) {
    const char *comma = strchr(word, ',');
    size_t size = comma ? (size_t)(comma - word) : strlen(word);
    uint64_t number = 0;
    int none = size == 4 && memcmp(word, "none", 4) == 0;
    if (!none && (!number_digits(word, size, &number) || number > INT32_MAX)) return 0;
    r->row_classes[r->rows++] = none ? -1 : (int32_t)number;
    word = comma ? comma + 1 : NULL;
  }
  return 1;
}

/* The value of a key; NULL: there is none. *again: there are several. */
static const char *find(const png_file *file, const char *key, int *again) {
  const char *value = NULL;
  for (int i = 0; i < file->text_count; i++) {
    if (strcmp(file->keys[i], key) != 0) continue;
    if (value) *again = 1;
    value = file->values[i];
  }
  return value;
}

static int bad(const char *path, const char *key, const char *what) {
  return fail(EXIT_FAILED, "%s: its text '%s' %s, so it cannot be made again", path, key, what);
}

static int read_field(const char *path, const png_file *file, const record_field *f, record *r) {
  int again = 0;
  const char *text = find(file, f->key, &again);
  if (again) return bad(path, f->key, "is there more than once");
  if (text && f->condition) {
    int32_t one = 1;
    memcpy((char *)r + f->condition, &one, sizeof one);
  }
  if (!text && record_has(r, f)) return bad(path, f->key, "is missing");
  return !text || parse_field(text, f, r) ? EXIT_OK : bad(path, f->key, "is not what dit writes");
}

/* A text for messages, cut. */
static void read_name(const png_file *file, const char *key, char name[RECORD_TEXT]) {
  int again = 0;
  const char *text = find(file, key, &again);
  snprintf(name, RECORD_TEXT, "%s", text ? text : "unknown");
}

static int read_special(const char *path, const png_file *file, const char *key, int (*parse)(const char *, record *),
                        record *r) {
  int again = 0;
  const char *text = find(file, key, &again);
  if (again) return bad(path, key, "is there more than once");
  if (!text) return bad(path, key, "is missing");
  return parse(text, r) ? EXIT_OK : bad(path, key, "is not what dit writes");
}

static int check_whole(const char *path, const record *r) {
  if ((int64_t)r->rows * r->columns > PICTURE_LIMIT) return bad(path, "Class numbers", "asks for too many pictures");
  if (r->has_mask && !r->has_start) return bad(path, "Mask", "is there without a start picture");
  if (r->has_program && (r->columns > 1 || r->has_start || r->batch_first > r->batch - r->rows))
    return bad(path, "Noise as of", "does not go with the other texts");
  if (r->compute == DIT_COMPUTE_BF16) return bad(path, "Compute", "is bf16, whose bits depend on the processor");
  if (r->params.guidance_start > r->params.guidance_end) return bad(path, "Guidance start", "lies behind its end");
  return EXIT_OK;
}

int record_read(const char *path, const png_file *file, record *r) {
  int again = 0, status = EXIT_OK;
  memset(r, 0, sizeof *r);
  r->params.struct_size = sizeof r->params;
  if (!find(file, "DIT_NUMERICS", &again)) {
    return fail(EXIT_FAILED, "%s: does not say what it was made with; dit makes only its own PNG files again", path);
  }
  for (const record_field *f = record_fields; f->key && status == EXIT_OK; f++) status = read_field(path, file, f, r);
  /* A value that goes with one before it may not be missing: Mix with its class, Strength with its picture. */
  for (const record_field *f = record_fields; f->key && status == EXIT_OK; f++) {
    if (record_has(r, f) && !find(file, f->key, &again)) status = bad(path, f->key, "is missing");
  }
  read_name(file, "Software", r->software);
  read_name(file, "Model", r->model);
  if (status == EXIT_OK) status = read_special(path, file, "Seed", parse_seeds, r);
  if (status == EXIT_OK) status = read_special(path, file, "Class numbers", parse_rows, r);
  if (status == EXIT_OK) status = check_whole(path, r);
  if (status != EXIT_OK) record_free(r);
  return status;
}

void record_free(record *r) {
  free(r->row_classes);
  r->row_classes = NULL;
}
