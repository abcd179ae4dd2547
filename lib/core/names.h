/* The names of the values of public enums: one table for the library, its programs and its files. */
#ifndef DIT_NAMES_H
#define DIT_NAMES_H

#include <stddef.h>
#include <stdint.h>

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

const char *dit__name(dit__enum which, int32_t value); /* static; NULL: there is no such value */

/* The value of a name of `length` bytes; 0: there is none. No enum has a name for 0, but for DIT__ENUM_PIXELS. */
int32_t dit__name_find(dit__enum which, const char *name, size_t length);

/* Writes all names of an enum, in the order of their values: "f32|f16|bf16". */
void dit__name_list(dit__enum which, char *out, size_t size);

#endif
