/* Pictures as PNG files with texts in them. */
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

/* A PNG from a stranger. */
typedef struct png_file {
  sheet picture; /* RGBA */
  int text_count;
  char **keys, **values; /* texts that are plain ASCII; others are left out */
} png_file;

/* Reads a file. EXIT_OK and what is to be freed, or another exit status after a message. */
int png_read(const char *path, png_file *file);
void png_free(png_file *file);

#endif
