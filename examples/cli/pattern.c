/* Patterns: output names with placeholders, for one file per picture. */
#include "pattern.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "lib/core/utf8.h"
#include "message.h"

enum { MAX_NAME = 4096 };

typedef struct name_buffer {
  char text[MAX_NAME];
  size_t length; /* at most MAX_NAME - 1; a longer name is cut, and then refused */
} name_buffer;

static void put(name_buffer *name, char c) {
  if (name->length < MAX_NAME - 1) name->text[name->length++] = c;
}

/* Appends a label. It comes from the model file and must not name another folder, so every ASCII character except
 * letters, digits, '-', '_' and '.' becomes '-', and so do a dot at the beginning and whatever is not printable UTF-8. */
static void put_label(name_buffer *name, const char *label) {
  for (const char *c = label; *c;) {
    const size_t size = utf8_size(c, 4), bytes = size ? size : 1;
    const int plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_' ||
                      (*c == '.' && c > label) || (size > 1 && utf8_is_printable(c, size));
    for (size_t i = 0; i < bytes && plain; i++) put(name, c[i]);
    if (!plain) put(name, '-');
    c += bytes;
  }
}

/* Appends a number with leading zeros up to `digits` digits. */
static void put_number(name_buffer *name, uint64_t number, int digits) {
  char text[32];
  int length = snprintf(text, sizeof text, "%" PRIu64, number);
  for (; digits > length; digits--) put(name, '0');
  for (const char *c = text; *c; c++) put(name, *c);
}

static int check_pattern(const char *pattern) {
  for (const char *c = strchr(pattern, '%'); c; c = strchr(c + 2, '%')) {
    if (c[1] == 0 || !strchr("ics%", c[1])) {
      return fail(EXIT_USAGE, "-o %s: after %% must come i (number), c (class), s (seed) or another %%", pattern);
    }
  }
  return EXIT_OK;
}

static int expand_one(const char *pattern, const dit_model *model, int32_t index, int digits, int32_t class_id,
                      uint64_t seed, name_buffer *name) {
  char number[16];
  name->length = 0;
  for (const char *c = pattern; *c; c++) {
    if (*c != '%')
      put(name, *c);
    else if (*++c == 'i')
      put_number(name, (uint64_t)index, digits);
    else if (*c == 's')
      put_number(name, seed, 1);
    else if (*c == 'c')
      put_label(name, class_name(model, class_id, number));
    else
      put(name, '%');
  }
  name->text[name->length] = 0;
  return name->length == MAX_NAME - 1 ? fail(EXIT_USAGE, "-o %.60s...: the name is too long", pattern) : EXIT_OK;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Refuses equal names: of two pictures with one name only the second would remain. */
static int check_different(const char *pattern, char *const *names, int32_t count) {
  char **sorted = (char **)malloc((size_t)count * sizeof *sorted);
  if (!sorted) return fail(EXIT_FAILED, "out of memory");
  memcpy(sorted, names, (size_t)count * sizeof *sorted);
  qsort(sorted, (size_t)count, sizeof *sorted, compare_names);
  int status = EXIT_OK;
  for (int32_t i = 1; i < count && status == EXIT_OK; i++) {
    if (strcmp(sorted[i - 1], sorted[i]) == 0) {
      status = fail(EXIT_USAGE, "-o %s: several pictures would be named %s; add %%i or %%s", pattern, sorted[i]);
    }
  }
  free(sorted);
  return status;
}

int pattern_expand(const char *pattern, const dit_model *model, int32_t count, const int32_t *classes,
                   const uint64_t *seeds, char ***names) {
  name_buffer name;
  int digits = 1, status = check_pattern(pattern);
  for (int32_t rest = count - 1; rest >= 10; rest /= 10) digits++;
  *names = NULL;
  if (status != EXIT_OK) return status;
  char **made = (char **)calloc((size_t)count, sizeof *made);
  if (!made) return fail(EXIT_FAILED, "out of memory");
  for (int32_t i = 0; i < count && status == EXIT_OK; i++) {
    status = expand_one(pattern, model, i, digits, classes[i], seeds[i], &name);
    if (status != EXIT_OK) break;
    made[i] = (char *)malloc(name.length + 1);
    if (made[i])
      memcpy(made[i], name.text, name.length + 1);
    else
      status = fail(EXIT_FAILED, "out of memory");
  }
  if (status == EXIT_OK) status = check_different(pattern, made, count);
  if (status == EXIT_OK)
    *names = made;
  else
    pattern_free(made, count);
  return status;
}

void pattern_free(char **names, int32_t count) {
  for (int32_t i = 0; names && i < count; i++) free(names[i]);
  free(names);
}
