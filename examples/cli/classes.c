/* Classes on the command line: parsed, and named. */
#include "classes.h"

#include <stdlib.h>
#include <string.h>

#include "closest.h"
#include "message.h"
#include "number.h"

/* MAX_DEFAULT_CLASSES: a model with more requires -c. MAX_LABEL: bytes. */
enum { MAX_DEFAULT_CLASSES = 32, MAX_LABEL = 256 };

const char *class_name(const dit_model *model, int32_t id, char text[16]) {
  const char *label = id < 0 ? "none" : dit_model_class_label(model, id);
  if (label && *label) return label;
  snprintf(text, 16, "%d", id);
  return text;
}

static void trim(const char **word, size_t *length) {
  while (*length && **word == ' ') ++*word, --*length;
  while (*length && (*word)[*length - 1] == ' ') --*length;
}

static int append(class_list *list, int32_t id) {
  if ((list->count & (list->count - 1)) == 0) { /* the array is full at powers of two */
    size_t room = list->count ? 2 * (size_t)list->count : 1;
    int32_t *larger = (int32_t *)realloc(list->ids, room * sizeof *larger);
    if (!larger) return fail(EXIT_FAILED, "out of memory");
    list->ids = larger;
  }
  list->ids[list->count++] = id;
  return EXIT_OK;
}

static int append_all(class_list *list, const dit_info *info) {
  int status = info->class_count ? EXIT_OK : append(list, -1);
  for (int32_t id = 0; id < info->class_count && status == EXIT_OK; id++) status = append(list, id);
  return status;
}

static int refuse_unknown_class(const dit_model *model, const dit_info *info, const char *option, const char *name) {
  closest near_names = {0};
  char hint[512];
  if (!info->label_count) {
    return fail(EXIT_USAGE, "%s %s: the classes of this model have no names; give their numbers", option, name);
  }
  for (int32_t id = 0; id < info->class_count; id++) {
    const char *label = dit_model_class_label(model, id);
    if (label) closest_offer(&near_names, name, strlen(name), label);
  }
  return fail(EXIT_USAGE, "%s %s: no such class%s; dit --list lists the classes", option, name,
              closest_sentence(&near_names, "", hint, sizeof hint));
}

int class_parse(const dit_model *model, const dit_info *info, const char *option, const char *word, size_t length,
                int32_t *id) {
  char name[MAX_LABEL];
  uint64_t number;
  trim(&word, &length);
  if (length == 0)
    return fail(EXIT_USAGE, "%s: the name of a class is missing; separate names with single commas", option);
  if (length >= sizeof name) return fail(EXIT_USAGE, "%s %.40s...: is longer than the name of any class", option, word);
  memcpy(name, word, length);
  name[length] = 0;
  if (strcmp(name, "none") == 0) return *id = DIT_NO_CLASS, EXIT_OK;
  if (strspn(name, "0123456789") == length) {
    if (number_digits(name, length, &number) && number < (uint64_t)info->class_count)
      return *id = (int32_t)number, EXIT_OK;
    return fail(EXIT_USAGE, "%s %s: this model has classes 0 to %d", option, name, info->class_count - 1);
  }
  *id = dit_model_find_class(model, name);
  return *id == DIT_UNKNOWN_CLASS ? refuse_unknown_class(model, info, option, name) : EXIT_OK;
}

static int is_all(const char *word, size_t length) {
  trim(&word, &length);
  return length == 3 && memcmp(word, "all", 3) == 0;
}

int classes_parse(const dit_model *model, const dit_info *info, const char *text, class_list *list) {
  int status = EXIT_OK;
  list->ids = NULL;
  list->count = 0;
  if (!text && info->class_count > MAX_DEFAULT_CLASSES) {
    return fail(EXIT_USAGE, "this model has %d classes; choose some of them with -c (dit --list lists them)",
                info->class_count);
  }
  if (!text) text = "all";
  for (const char *word = text; word && status == EXIT_OK;) {
    const char *comma = strchr(word, ',');
    size_t length = comma ? (size_t)(comma - word) : strlen(word);
    int32_t id;
    if (is_all(word, length))
      status = append_all(list, info);
    else if ((status = class_parse(model, info, "-c", word, length, &id)) == EXIT_OK)
      status = append(list, id);
    word = comma ? comma + 1 : NULL;
  }
  if (status != EXIT_OK) classes_free(list);
  return status;
}

void classes_free(class_list *list) {
  free(list->ids);
  list->ids = NULL;
}
