/* What a PNG says about itself: all it takes to make it again. */
#ifndef CLI_TEXTS_H
#define CLI_TEXTS_H

#include "dit.h"
#include "png.h"

enum { TEXTS_LIMIT = 16 };

typedef struct texts {
  png_text items[TEXTS_LIMIT];
  int count;
} texts;

/* Texts for pictures first..first+count-1 of a job. `params` are resolved; `path` is the model's file, NULL: embedded.
 * EXIT_OK and texts to be freed, or another exit status after a message. */
int texts_make(texts *t, const dit_model *model, const dit_info *info, const dit_params *params, const char *path,
               int32_t first, int32_t count);
void texts_free(texts *t);

#endif
