/* The settings that pictures were made with: written into their PNG, printed by --json, and read back by --again. */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include <stddef.h>

#include "dit.h"
#include "enums.h"

enum { MAX_RECORD_TEXT = 128, MAX_PICTURES = 65536 /* of one run */ };

typedef struct record {
  char software[MAX_RECORD_TEXT], model[MAX_RECORD_TEXT]; /* names, for messages only */
  uint64_t model_hash;                                    /* of the model file, as hash_model returns it */
  int32_t numerics, compute;
  dit_params params;                   /* every default is filled in; arrays, count and threads are unused */
  int32_t has_class_b, class_b;        /* --mix */
  int32_t has_program, program;        /* PYTORCH_*: the program whose noise was used */
  int32_t batch_size, batch_index;     /* pictures in the batch of that program; index of our first one in it */
  int32_t has_shift;                   /* 1: params.timestep_shift is not 1 */
  int32_t has_cache;                   /* 1: params.cache_interval is above 1 */
  int32_t has_init_image, has_mask;    /* -i, --mask */
  uint64_t init_image_hash, mask_hash; /* of the bytes that the library received */
  int32_t scale;                       /* each pixel was enlarged to scale x scale */
  uint64_t seed;                       /* of the first column; each further column has the next seed */
  int32_t columns, rows;               /* of the sheet, in pictures */
  int32_t *row_classes;                /* [rows]; -1: no class */
} record;

/* A value that PNG and JSON show as one text. */
enum { FIELD_INT, FIELD_REAL, FIELD_WORD, FIELD_HASH };
typedef struct record_field {
  const char *key;   /* in a PNG */
  const char *name;  /* in JSON */
  int kind;          /* FIELD_* */
  size_t offset;     /* of the value in a record */
  size_t condition;  /* of an int32_t in a record: the field exists if it is not 0; 0: the field always exists */
  double low, high;  /* range of a number */
  enum_names *names; /* of a word */
} record_field;
extern const record_field record_fields[]; /* the last one has the key NULL */

/* Returns 1 if the record has a value for the field. */
int record_has(const record *r, const record_field *field);

void record_print(const record *r, const record_field *field, char text[MAX_RECORD_TEXT]);

/* Reads a value as record_print writes it. Returns 0 if the text is anything else. */
int record_parse(record *r, const record_field *field, const char *text);

void record_free(record *r);

#endif
