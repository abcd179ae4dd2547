/* The texts in a PNG: they hold all that it takes to make the picture again. */
#ifndef CLI_TEXTS_H
#define CLI_TEXTS_H

#include "png.h"
#include "record.h"

enum { MAX_TEXTS = 40 };

typedef struct texts {
  png_text items[MAX_TEXTS];
  int count;
} texts;

/* Turns a record into texts. Returns EXIT_OK and texts for texts_free, or another exit status after a message. */
int texts_make(texts *t, const dit_model *model, const dit_info *info, const record *r);
void texts_free(texts *t);

/* Reads a record from the texts of a file, which may come from anybody and are checked. `path` is for messages. Returns
 * EXIT_OK and a record for record_free, or another exit status after a message. */
int texts_read(const char *path, const png_file *file, record *r);

#endif
