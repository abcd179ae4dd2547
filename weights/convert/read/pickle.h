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
  PICKLE_OTHER, /* bytes and integers beyond 64 bits: known to be plain, their value is not kept */
  PICKLE_TUPLE,
  PICKLE_LIST,      /* sets too */
  PICKLE_DICT,      /* items: key, value, key, value ... in the order in which they were set */
  PICKLE_NAME,      /* `global` alone */
  PICKLE_CALL,      /* `global` called with the arguments `items` */
  PICKLE_PERSISTENT /* items[0]: the persistent identifier */
} pickle_kind;

/* A name that a pickle may mention. A call of a function or class is recorded; only objects may be given a state, which
 * is dropped; a mapping is a class whose calls make empty dicts; a constant cannot be called. */
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
    const char *text; /* in the pickle, not terminated; not checked to be UTF-8 */
    struct pickle_value **items;
  } of;
  const pickle_global *global;
} pickle_value;

typedef struct pickle pickle;

/* Reads a pickle, which must fill the bytes, or, if `used` is not NULL, may be followed by others: *used becomes its
 * length. `allowed` ends with a NULL module and must stay, as must `bytes`. `what` names the file in
 * messages. Lists and dicts may contain themselves, so who walks them must not trust them to end. */
dit_status pickle_open(const uint8_t *bytes, size_t size, size_t *used, const pickle_global *allowed, const char *what,
                       pickle **out, dit_error *error);
const pickle_value *pickle_top(const pickle *p);
void pickle_close(pickle *p); /* NULL is fine */

/* The last value that the dict has for a text key, as in Python; NULL: none, or not a dict. */
const pickle_value *pickle_member(const pickle_value *dict, const char *key);
int pickle_is_text(const pickle_value *v, const char *text);
/* All values that the pickle made, in no order; *cursor begins at 0. NULL at the end. */
const pickle_value *pickle_next(const pickle *p, size_t *cursor);

#endif
