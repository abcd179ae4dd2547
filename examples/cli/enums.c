/* The names of enum values: every list is made by counting values from 1 until the library knows no name. */
#include "enums.h"

#include <stdio.h>
#include <string.h>

int32_t enum_find(enum_names *names, const char *name) {
  for (int32_t value = 1; names(value); value++) {
    if (strcmp(names(value), name) == 0) return value;
  }
  return 0;
}

const char *enum_name(enum_names *names, int32_t value) {
  const char *name = names(value);
  return name ? name : "unknown";
}

const char *enum_choices(enum_names *names, char text[MAX_ENUM_CHOICES]) {
  size_t used = 0;
  text[0] = 0;
  for (int32_t value = 1; names(value) && used < MAX_ENUM_CHOICES; value++) {
    const char *separator = value == 1 ? "" : names(value + 1) ? ", " : " or ";
    used += (size_t)snprintf(text + used, MAX_ENUM_CHOICES - used, "%s%s", separator, names(value));
  }
  return text;
}
