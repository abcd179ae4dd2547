/* What a PNG says about itself: all it takes to make it again. */
#include "texts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "message.h"

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

/* The classes of the rows with commas, as labels or as numbers. */
static int add_classes(texts *t, const char *key, const dit_model *model, const record *r, int as_labels) {
  char number[16], *value = NULL;
  const char *comma = as_labels ? ", " : ",";
  size_t length = 0;
  for (int pass = 0; pass < 2; pass++) { /* measure, then write */
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
    char text[RECORD_TEXT];
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
  if (status == EXIT_OK && r->has_mix) status = add(t, "Mix class", "%s", class_name(model, r->mix_class, number));
  if (status == EXIT_OK) status = add_seeds(t, r);
  if (status == EXIT_OK) status = add_fields(t, r);
  if (status != EXIT_OK) texts_free(t);
  return status;
}

void texts_free(texts *t) {
  for (int i = 0; i < t->count; i++) free(t->items[i].value);
  t->count = 0;
}
