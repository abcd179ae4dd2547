/* Which classes the user chose. */
#ifndef CLI_CLASSES_H
#define CLI_CLASSES_H

#include "dit.h"

typedef struct class_list {
  int32_t *ids; /* -1: no class */
  int32_t count;
} class_list;

/* Reads names and numbers with commas between, "all" or "none"; NULL is all classes, if they are few. Returns EXIT_OK
 * and a list to be freed, or another exit status after a message. */
int classes_parse(const dit_model *model, const dit_info *info, const char *text, class_list *list);
void classes_free(class_list *list);

/* A class in words: its label, or its number, or "none". Returns `text` or the label. */
const char *class_name(const dit_model *model, int32_t id, char text[16]);

#endif
