/* The texts in a PNG, written and read. Most of them are the fields of a record; classes and seeds, which are lists, and
 * names for people have code of their own. */
#include "texts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "message.h"
#include "number.h"

enum { MAX_LIST = 12 * MAX_PICTURES /* bytes of a list of class numbers */ };

/* ---- Writing ---- */

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static int
add(texts *t, const char *key, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *value = length < 0 ? NULL : (char *)malloc((size_t)length + 1);
  if (!value) return fail(EXIT_FAILED, "out of memory");
  va_start(arguments, format);
  vsnprintf(value, (size_t)length + 1, format, arguments);
  va_end(arguments);
  t->items[t->count].key = key;
  t->items[t->count++].value = value;
  return EXIT_OK;
}

/* Adds the classes of the rows, as labels ("potion, key") or as numbers ("0,12"). */
static int add_classes(texts *t, const char *key, const dit_model *model, const record *r, int as_labels) {
  char number[16], *value = NULL;
  const char *comma = as_labels ? ", " : ",";
  size_t length = 0;
  for (int pass = 0; pass < 2; pass++) { /* the first pass measures, the second writes */
    if (pass == 1 && !(value = (char *)malloc(length + 1))) return fail(EXIT_FAILED, "out of memory");
    length = 0;
    for (int32_t i = 0; i < r->rows; i++) {
      const char *name = number;
      if (as_labels || r->row_classes[i] < 0)
        name = class_name(model, r->row_classes[i], number);
      else
        snprintf(number, sizeof number, "%d", r->row_classes[i]);
      size_t size = strlen(name), gap = i > 0 ? strlen(comma) : 0;
      if (value) memcpy(value + length, comma, gap), memcpy(value + length + gap, name, size);
      length += gap + size;
    }
  }
  value[length] = 0;
  t->items[t->count].key = key;
  t->items[t->count++].value = value;
  return EXIT_OK;
}

static int add_seeds(texts *t, const record *r) {
  if (r->columns == 1) return add(t, "Seed", "%" PRIu64, r->seed);
  return add(t, "Seed", "%" PRIu64 " to %" PRIu64, r->seed, r->seed + (uint64_t)(r->columns - 1));
}

static int add_fields(texts *t, const record *r) {
  int status = EXIT_OK;
  for (const record_field *f = record_fields; f->key && status == EXIT_OK; f++) {
    char text[MAX_RECORD_TEXT];
    if (!record_has(r, f)) continue;
    record_print(r, f, text);
    status = add(t, f->key, "%s", text);
  }
  return status;
}

int texts_make(texts *t, const dit_model *model, const dit_info *info, const record *r) {
  char number[16];
  t->count = 0;
  int status = add(t, "Software", "%s", r->software);
  if (status == EXIT_OK) status = add(t, "Model", "%s", r->model);
  if (status == EXIT_OK && *info->license) status = add(t, "License", "%s", info->license);
  if (status == EXIT_OK) status = add_classes(t, "Class", model, r, 1);
  if (status == EXIT_OK) status = add_classes(t, "Class numbers", model, r, 0);
  if (status == EXIT_OK && r->has_class_b) status = add(t, "Class B", "%s", class_name(model, r->class_b, number));
  if (status == EXIT_OK) status = add_seeds(t, r);
  if (status == EXIT_OK) status = add_fields(t, r);
  if (status != EXIT_OK) texts_free(t);
  return status;
}

void texts_free(texts *t) {
  for (int i = 0; i < t->count; i++) free(t->items[i].value);
  t->count = 0;
}

/* ---- Reading ---- */

/* Reads "7" as one seed, and "7 to 9" as three. */
static int parse_seeds(const char *text, record *r) {
  const char *to = strstr(text, " to ");
  uint64_t last = 0;
  if (strlen(text) >= MAX_RECORD_TEXT) return 0;
  if (!number_digits(text, to ? (size_t)(to - text) : strlen(text), &r->seed)) return 0;
  last = r->seed;
  if (to && !number_digits(to + 4, strlen(to + 4), &last)) return 0;
  if (last - r->seed >= MAX_PICTURES) return 0; /* modulo 2^64: after the greatest seed comes 0 */
  r->columns = (int32_t)(last - r->seed + 1);
  return 1;
}

/* Reads "3", or "3,none,4": the classes of the rows. */
static int parse_rows(const char *text, record *r) {
  size_t length = strlen(text), commas = 0;
  if (length > MAX_LIST) return 0;
  for (size_t i = 0; i < length; i++) commas += text[i] == ',';
  if (commas >= MAX_PICTURES) return 0;
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

/* Returns the value of a key, or NULL if the file has none. *count: how many values it has. */
static const char *find(const png_file *file, const char *key, int *count) {
  const char *value = NULL;
  *count = 0;
  for (int i = 0; i < file->text_count; i++) {
    if (strcmp(file->keys[i], key) != 0) continue;
    value = file->values[i];
    ++*count;
  }
  return value;
}

static int refuse(const char *path, const char *key, const char *problem) {
  return fail(EXIT_FAILED, "%s: --again cannot use this file: its text '%s' %s", path, key, problem);
}

static int read_field(const char *path, const png_file *file, const record_field *f, record *r) {
  int count;
  const char *text = find(file, f->key, &count);
  if (count > 1) return refuse(path, f->key, "occurs more than once");
  if (text && f->condition) {
    int32_t yes = 1;
    memcpy((char *)r + f->condition, &yes, sizeof yes);
  }
  if (!text && record_has(r, f)) return refuse(path, f->key, "is missing");
  return !text || record_parse(r, f, text) ? EXIT_OK : refuse(path, f->key, "has a value that dit never writes");
}

static int read_fields(const char *path, const png_file *file, record *r) {
  int status = EXIT_OK, count;
  for (const record_field *f = record_fields; f->key && status == EXIT_OK; f++) status = read_field(path, file, f, r);
  /* A text further down may imply one above it, such as 'Class mix' the number of class B. */
  for (const record_field *f = record_fields; f->key && status == EXIT_OK; f++) {
    if (record_has(r, f) && !find(file, f->key, &count)) status = refuse(path, f->key, "is missing");
  }
  return status;
}

static int read_list(const char *path, const png_file *file, const char *key, int (*parse)(const char *, record *),
                     record *r) {
  int count;
  const char *text = find(file, key, &count);
  if (count > 1) return refuse(path, key, "occurs more than once");
  if (!text) return refuse(path, key, "is missing");
  return parse(text, r) ? EXIT_OK : refuse(path, key, "has a value that dit never writes");
}

/* Reads a name for messages, cut to MAX_RECORD_TEXT. */
static void read_name(const png_file *file, const char *key, char name[MAX_RECORD_TEXT]) {
  int count;
  const char *text = find(file, key, &count);
  snprintf(name, MAX_RECORD_TEXT, "%s", text ? text : "unknown");
}

static int check_whole(const char *path, const record *r) {
  if ((int64_t)r->rows * r->columns > MAX_PICTURES) return refuse(path, "Class numbers", "lists too many pictures");
  if (r->has_mask && !r->has_init_image) return refuse(path, "Mask", "requires the text 'Init image'");
  if (r->has_program && (r->columns > 1 || r->has_init_image || r->batch_index > r->batch_size - r->rows))
    return refuse(path, "Program", "contradicts other texts");
  if (r->compute == DIT_COMPUTE_BF16) return refuse(path, "Compute", "is bf16, whose bits depend on the processor");
  if (r->params.guidance_start > r->params.guidance_end)
    return refuse(path, "Guidance start", "is greater than 'Guidance end'");
  return EXIT_OK;
}

int texts_read(const char *path, const png_file *file, record *r) {
  int count;
  memset(r, 0, sizeof *r);
  r->params.struct_size = sizeof r->params;
  if (!find(file, "DIT_NUMERICS", &count)) {
    return fail(EXIT_FAILED, "%s: has no record of how it was made; --again needs a PNG file written by dit", path);
  }
  read_name(file, "Software", r->software);
  read_name(file, "Model", r->model);
  int status = read_fields(path, file, r);
  if (status == EXIT_OK) status = read_list(path, file, "Seed", parse_seeds, r);
  if (status == EXIT_OK) status = read_list(path, file, "Class numbers", parse_rows, r);
  if (status == EXIT_OK) status = check_whole(path, r);
  if (status != EXIT_OK) record_free(r);
  return status;
}
