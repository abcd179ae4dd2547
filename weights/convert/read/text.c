#include "weights/convert/read/text.h"

#include <stdlib.h>
#include <string.h>

#include "lib/core/utf8.h"

int text_is_name(const char *s, size_t length) {
  if (length == 0 || length > 1000) return 0;
  for (size_t i = 0; i < length;) {
    size_t bytes = utf8_size(s + i, length - i);
    if (bytes == 0 || (unsigned char)s[i] < 0x20 || s[i] == 0x7f) return 0;
    if (bytes == 2 && (unsigned char)s[i] == 0xc2 && (unsigned char)s[i + 1] < 0xa0) return 0; /* C1 controls */
    i += bytes;
  }
  return 1;
}

char *text_copy(const char *s, size_t length) {
  char *copy = (char *)malloc(length + 1);
  if (!copy) return NULL;
  if (length) memcpy(copy, s, length);
  copy[length] = 0;
  return copy;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *text_duplicate(const char **names, size_t count) {
  if (count < 2) return NULL;
  qsort(names, count, sizeof *names, compare_names);
  for (size_t i = 1; i < count; i++) {
    if (strcmp(names[i - 1], names[i]) == 0) return names[i];
  }
  return NULL;
}

const char *text_shown(char shown[TEXT_SHOWN], const char *s, size_t length) {
  size_t out = 0, i = 0;
  while (i < length && out < 80) {
    size_t bytes = utf8_size(s + i, length - i);
    if (bytes && text_is_name(s + i, bytes))
      memcpy(shown + out, s + i, bytes);
    else
      shown[out] = '?', bytes = 1;
    out += bytes;
    i += bytes;
  }
  strcpy(shown + out, i < length ? "..." : "");
  return shown;
}
