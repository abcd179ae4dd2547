/* Which classes the user chose. */
#ifndef CLI_CLASSES_H
#define CLI_CLASSES_H

#include <stddef.h>

#include "dit.h"

typedef struct class_list {
  int32_t *ids; /* -1: no class */
  int32_t count;
} class_list;

/* Reads names and numbers with commas between, "all" or "none"; NULL is all classes, if they are few. Returns EXIT_OK
 * and a list to be freed, or another exit status after a message. */
int classes_parse(const dit_model *model, const dit_info *info, const char *text, class_list *list);

/* The class that the first `length` bytes of a word name, by label or number; -1 for "none". `option` is for messages.
 * EXIT_OK, or EXIT_USAGE after a message. */
int class_parse(const dit_model *model, const dit_info *info, const char *option, const char *word, size_t length,
                int32_t *id);
void classes_free(class_list *list);

/* A class in words: its label, or its number, or "none". Returns `text` or the label. */
const char *class_name(const dit_model *model, int32_t id, char text[16]);

#endif
