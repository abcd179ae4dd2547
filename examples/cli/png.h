/* A picture as a PNG in memory, with texts in it. */
#ifndef CLI_PNG_H
#define CLI_PNG_H

#include <stddef.h>

#include "sheet.h"

typedef struct png_text {
  const char *key; /* ASCII, 1 to 79 characters */
  char *value;     /* UTF-8 */
} png_text;

/* EXIT_OK and `size` bytes to be freed, or another exit status after a message. */
int png_encode(const sheet *picture, const png_text *texts, int text_count, unsigned char **bytes, size_t *size);

#endif
