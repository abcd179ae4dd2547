/* Reads the part of Python's pickle language (protocols 2 to 5) that plain values and tensors are written in.
 * Nothing is ever called: a call of an allowed name is recorded, and any other name is refused. */
#ifndef DIT_CONVERT_PICKLE_H
#define DIT_CONVERT_PICKLE_H

#include "dit.h"

typedef enum pickle_kind {
  PICKLE_NONE,
  PICKLE_BOOL,
  PICKLE_INTEGER,
  PICKLE_REAL,
  PICKLE_TEXT,
  PICKLE_OTHER, /* bytes, and integers beyond 64 bits: plain values that are not kept */
  PICKLE_TUPLE,
  PICKLE_LIST,      /* sets too */
  PICKLE_DICT,      /* items: key, value, key, value ... in the order in which they were set */
  PICKLE_NAME,      /* `global` alone */
  PICKLE_CALL,      /* `global` called with the arguments `items` */
  PICKLE_PERSISTENT /* items[0]: the persistent identifier */
} pickle_kind;

/* A name that a pickle may mention. A call of a function or a class is recorded. Only objects may be given a state, which
 * is dropped. A mapping is a class whose calls make empty dicts. A constant cannot be called. */
typedef struct pickle_global {
  const char *module, *name;
  enum { PICKLE_FUNCTION, PICKLE_OBJECT, PICKLE_MAPPING, PICKLE_CONSTANT } use;
  int id; /* for the caller */
} pickle_global;

typedef struct pickle_value {
  pickle_kind kind;
  uint32_t count; /* items, or bytes of text */
  uint32_t room;  /* items that fit */
  union {
    int64_t integer; /* PICKLE_BOOL and PICKLE_INTEGER */
    double real;
    const char *text; /* in the pickle; neither terminated nor checked to be UTF-8 */
    struct pickle_value **items;
  } of;
  const pickle_global *global;
} pickle_value;

typedef struct pickle pickle;

/* Reads a pickle. It must fill the bytes, unless `used` is not NULL: then others may follow, and *used becomes its
 * length. `allowed`, which ends with a NULL module, and `bytes` must outlive the pickle. `what` names the file in
 * messages. Lists and dicts may contain themselves, so a walk through them need not end. */
dit_status pickle_open(const uint8_t *bytes, size_t size, size_t *used, const pickle_global *allowed, const char *what,
                       pickle **out, dit_error *error);
const pickle_value *pickle_top(const pickle *p);
void pickle_close(pickle *p); /* NULL is fine */

/* Returns the last value that a dict has for a text key, as Python does; NULL if it has none, or is not a dict. */
const pickle_value *pickle_member(const pickle_value *dict, const char *key);
int pickle_is_text(const pickle_value *v, const char *text);
/* Returns the values that the pickle made, in no particular order, and NULL at the end; *cursor begins at 0. */
const pickle_value *pickle_next(const pickle *p, size_t *cursor);

#endif
