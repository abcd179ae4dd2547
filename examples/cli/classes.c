/* Which classes the user chose. */
#include "classes.h"

#include <stdlib.h>
#include <string.h>

#include "closest.h"
#include "message.h"
#include "number.h"

enum { CLASSES_UNASKED = 32, LABEL_LIMIT = 256 };

const char *class_name(const dit_model *model, int32_t id, char text[16]) {
  const char *label = id < 0 ? "none" : dit_model_label(model, id);
  if (label && *label) return label;
  snprintf(text, 16, "%d", id);
  return text;
}

static int append(class_list *list, int32_t id) {
  if ((list->count & (list->count - 1)) == 0) { /* full at powers of two */
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

static int unknown_class(const dit_model *model, const dit_info *info, const char *name) {
  closest near_names = {0};
  char hint[512];
  if (!info->label_count) return fail(EXIT_USAGE, "-c %s: the classes of this model have no names; use numbers", name);
  for (int32_t id = 0; id < info->class_count; id++) {
    const char *label = dit_model_label(model, id);
    if (label) closest_offer(&near_names, name, strlen(name), label);
  }
  return fail(EXIT_USAGE, "-c %s: no such class%s; dit --list lists them", name,
              closest_sentence(&near_names, "", hint, sizeof hint));
}

/* One word of the list, `length` bytes without blanks around. */
static int append_word(const dit_model *model, const dit_info *info, const char *word, size_t length,
                       class_list *list) {
  char name[LABEL_LIMIT];
  uint64_t number;
  if (length == 0) return fail(EXIT_USAGE, "-c: a name is missing before or after a comma");
  if (length >= sizeof name) return fail(EXIT_USAGE, "-c %.40s...: no class has so long a name", word);
  memcpy(name, word, length);
  name[length] = 0;
  if (strcmp(name, "all") == 0) return append_all(list, info);
  if (strcmp(name, "none") == 0) return append(list, -1);
  if (strspn(name, "0123456789") == length) {
    if (number_digits(name, length, &number) && number < (uint64_t)info->class_count)
      return append(list, (int32_t)number);
    return fail(EXIT_USAGE, "-c %s: the classes of this model are 0 to %d", name, info->class_count - 1);
  }
  int32_t id = dit_model_find(model, name);
  return id < 0 ? unknown_class(model, info, name) : append(list, id);
}

int classes_parse(const dit_model *model, const dit_info *info, const char *text, class_list *list) {
  int status = EXIT_OK;
  list->ids = NULL;
  list->count = 0;
  if (!text && info->class_count > CLASSES_UNASKED) {
    return fail(EXIT_USAGE, "this model has %d classes; choose some with -c (dit --list lists them)",
                info->class_count);
  }
  if (!text) text = "all";
  for (const char *word = text; word && status == EXIT_OK;) {
    const char *comma = strchr(word, ',');
    size_t length = comma ? (size_t)(comma - word) : strlen(word);
    while (length && *word == ' ') word++, length--;
    while (length && word[length - 1] == ' ') length--;
    status = append_word(model, info, word, length, list);
    word = comma ? comma + 1 : NULL;
  }
  if (status != EXIT_OK) classes_free(list);
  return status;
}

void classes_free(class_list *list) {
  free(list->ids);
  list->ids = NULL;
}
