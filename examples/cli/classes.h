/* Classes on the command line: parsed, and named. */
#ifndef CLI_CLASSES_H
#define CLI_CLASSES_H

#include <stddef.h>

#include "dit.h"

typedef struct class_list {
  int32_t *ids; /* -1: no class */
  int32_t count;
} class_list;

/* Parses names and numbers with commas between them; "all" and "none" are names too. NULL means all classes, and is
 * refused if a model has many. Returns EXIT_OK and a list for classes_free, or another exit status after a message. */
int classes_parse(const dit_model *model, const dit_info *info, const char *text, class_list *list);

/* Parses the first `length` bytes of a word: the label or the number of a class, or "none" (-1). `option` is for
 * messages. Returns EXIT_OK, or EXIT_USAGE after a message. */
int class_parse(const dit_model *model, const dit_info *info, const char *option, const char *word, size_t length,
                int32_t *id);
void classes_free(class_list *list);

/* Returns the label of a class, or "none", or its number, which is written to `text`. */
const char *class_name(const dit_model *model, int32_t id, char text[16]);

#endif
