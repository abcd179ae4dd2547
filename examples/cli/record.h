/* What a picture was made with: kept in the text of its PNG, told by --json, and read again by --again. */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include <stddef.h>

#include "dit.h"
#include "enums.h"
#include "png.h"

enum { RECORD_TEXT = 128 };

typedef struct record {
  char software[RECORD_TEXT], model[RECORD_TEXT]; /* for messages */
  uint64_t model_hash;                            /* hash_bytes of the model file */
  int32_t numerics, compute;
  dit_params params; /* every default filled in; no arrays, count or threads */
  int32_t has_mix, mix_class;
  int32_t has_program, program; /* PROGRAM_*, whose noise this is: */
  int32_t batch, batch_first;   /* pictures that it draws for; the place of the first of ours among them */
  int32_t has_cache;            /* 1: params.cache_interval is above 1 */
  int32_t has_start, has_mask;
  uint64_t start_hash, mask_hash; /* of the bytes that the library gets */
  int32_t scale;
  uint64_t seed;        /* of the first picture of each row */
  int32_t columns;      /* pictures in a row; seeds rise by 1 */
  int32_t rows;         /* a class each */
  int32_t *row_classes; /* -1: no class */
} record;

/* The numbers and words of a record that stand for themselves. */
enum { FIELD_INT, FIELD_REAL, FIELD_WORD, FIELD_HASH };
typedef struct record_field {
  const char *key;  /* in a PNG */
  const char *name; /* in JSON */
  int kind;
  size_t offset, condition; /* of the value; of an int that is not 0 if there is one (0: there always is) */
  double low, high;         /* of numbers */
  enum_names *names;        /* of words */
} record_field;
extern const record_field record_fields[]; /* ends with a key NULL */

int record_has(const record *r, const record_field *field);
void record_print(const record *r, const record_field *field, char text[RECORD_TEXT]);

/* Reads the texts of a file, trusting nothing. EXIT_OK and row_classes to be freed by record_free, or another exit
 * status after a message. */
int record_read(const char *path, const png_file *file, record *r);
void record_free(record *r);

#endif
