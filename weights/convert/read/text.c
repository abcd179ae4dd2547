#include "weights/convert/read/text.h"

#include <stdlib.h>
#include <string.h>

size_t text_character(const char *s, size_t length) {
  static const unsigned least[5] = {0, 0, 0x80, 0x800, 0x10000}; /* below: an overlong spelling */
  const unsigned char *p = (const unsigned char *)s;
  if (length == 0) return 0;
  if (p[0] < 0x80) return 1;
  size_t bytes = p[0] >= 0xf0 && p[0] < 0xf8 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
  if (bytes == 0 || bytes > length || p[0] >= 0xf8) return 0;
  unsigned code = p[0] & (0x7fu >> bytes);
  for (size_t i = 1; i < bytes; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
    code = code << 6 | (p[i] & 0x3f);
  }
  return code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : bytes;
}

int text_is_name(const char *s, size_t length) {
  if (length == 0 || length > 1000) return 0;
  for (size_t i = 0; i < length;) {
    size_t bytes = text_character(s + i, length - i);
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
    size_t bytes = text_character(s + i, length - i);
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
