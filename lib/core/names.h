/* The names of the values of public enums: one table for the library, its programs and its files. */
#ifndef DIT_NAMES_H
#define DIT_NAMES_H

#include <stddef.h>

#include "dit.h"

typedef enum dit__enum {
  DIT__ENUM_ISA,
  DIT__ENUM_COMPUTE,
  DIT__ENUM_LOAD,
  DIT__ENUM_TYPE,
  DIT__ENUM_SAMPLER,
  DIT__ENUM_SPACING,
  DIT__ENUM_GENERATOR,
  DIT__ENUM_VARIANCE,
  DIT__ENUM_CLIP,
  DIT__ENUM_PIXELS,
  DIT__ENUMS
} dit__enum;

/* The name of a value; a static string, or NULL if there is no such value. */
const char *dit__name(dit__enum which, int32_t value);

/* The value of a name of `length` bytes, or 0 if there is none: no enum has a name for 0, except DIT__ENUM_PIXELS. */
int32_t dit__name_find(dit__enum which, const char *name, size_t length);

/* Whether `value` is one of an enum's, or 0, which stands for a default. Errors: ARGUMENT; the message begins with
 * "where: member is value", as in "dit_params: sampler is 9", and lists the values that there are. */
dit_status dit__check_enum(const char *where, const char *member, dit__enum which, int32_t value, dit_error *error);

/* Writes all names of an enum, in the order of their values: "f32|f16|bf16". */
void dit__name_list(dit__enum which, char *out, size_t size);

#endif
