/* A small strict JSON reader (RFC 8259) for headers and configurations. Depth and size are limited, and duplicate keys
 * are refused. */
#ifndef DIT_CONVERT_JSON_H
#define DIT_CONVERT_JSON_H

#include "dit.h"

typedef enum json_kind {
  JSON_NULL,
  JSON_FALSE,
  JSON_TRUE,
  JSON_NUMBER,
  JSON_STRING,
  JSON_ARRAY,
  JSON_OBJECT
} json_kind;

typedef struct json_value {
  json_kind kind;
  char *key;                       /* of a member of an object, UTF-8, terminated; else NULL */
  char *text;                      /* JSON_STRING: UTF-8, terminated; JSON_NUMBER: its spelling */
  double number;                   /* JSON_NUMBER */
  struct json_value *child, *next; /* elements or members, in order */
  size_t count;                    /* of children */
} json_value;

/* Returns NULL on failure, with a message, in which `what` names the text ("model.safetensors: header"). */
json_value *json_parse(const char *text, size_t length, const char *what, dit_error *error);
void json_free(json_value *v);                                            /* may be NULL */
const json_value *json_member(const json_value *object, const char *key); /* NULL: absent, or not an object */
/* Returns 1 and the value if v is an integer of low to high, else 0. Exact to 64 bits. */
int json_integer(const json_value *v, int64_t low, int64_t high, int64_t *out);

#endif
