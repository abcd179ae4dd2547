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
  unsigned char *bytes; /* the file itself */
  size_t size;
  uint32_t width, height; /* as its header says */
  uint32_t bits;          /* of a pixel */
  sheet picture;          /* RGBA; empty before png_decode */
  int text_count;
  char **keys, **values; /* [text_count]; only texts in ASCII; empty before png_read_texts */
} png_file;

/* Reads a file and the size in its header, and nothing else. Returns EXIT_OK and what png_free frees, or another exit
 * status after a message; the functions below do the same. */
int png_open(const char *path, png_file *file);

/* Returns how many bytes png_decode may take, by what the header says. */
uint64_t png_decode_bytes(const png_file *file);

/* Decodes the pixels. The caller has found width and height to be those that he wants: they decide what memory it
 * takes. */
int png_decode(const char *path, png_file *file);

int png_read_texts(const char *path, png_file *file);

void png_free(png_file *file);

#endif
