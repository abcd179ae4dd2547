/* PNG files, and the texts in them. */
#ifndef CLI_PNG_H
#define CLI_PNG_H

#include <stddef.h>

#include "sheet.h"

typedef struct png_text {
  const char *key; /* ASCII, 1 to 79 characters */
  char *value;     /* UTF-8 */
} png_text;

/* Encodes a picture. Returns EXIT_OK and `size` bytes, which the caller frees, or another exit status after a message. */
int png_encode(const sheet *picture, const png_text *texts, int text_count, unsigned char **bytes, size_t *size);

/* A PNG file that was read; it may come from anybody. */
typedef struct png_file {
  sheet picture; /* RGBA */
  int text_count;
  char **keys, **values; /* [text_count]; only texts in ASCII */
} png_file;

/* Reads a file. Returns EXIT_OK and what png_free frees, or another exit status after a message. */
int png_read(const char *path, png_file *file);
void png_free(png_file *file);

#endif
