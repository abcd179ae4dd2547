/* What a PNG says about itself: all it takes to make it again. */
#ifndef CLI_TEXTS_H
#define CLI_TEXTS_H

#include "png.h"
#include "record.h"

enum { TEXTS_LIMIT = 40 };

typedef struct texts {
  png_text items[TEXTS_LIMIT];
  int count;
} texts;

/* The texts of a record. EXIT_OK and texts to be freed, or another exit status after a message. */
int texts_make(texts *t, const dit_model *model, const dit_info *info, const record *r);
void texts_free(texts *t);

#endif
