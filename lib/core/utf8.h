/* Decoding of UTF-8 (RFC 3629). This header needs nothing else, so programs may include it without linking anything. */
#ifndef DIT_UTF8_H
#define DIT_UTF8_H

#include <stddef.h>

/* Returns the number of bytes, 1 to 4, of the character that begins at `text`, or 0 if none begins there: a byte out of
 * place, an overlong form, a surrogate, a code point above U+10FFFF, or a character that is cut off. At most `left`
 * bytes are read, and none beyond the first that does not belong to the character, so of a terminated string `left` may
 * be any number above 0. A zero byte is the character U+0000. */
static inline size_t utf8_size(const char *text, size_t left) {
  const unsigned char *p = (const unsigned char *)text;
  if (left == 0) return 0;
  if (p[0] < 0x80) return 1;
  const size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
  if (p[0] < 0xc2 || p[0] > 0xf4 || left < 2) return 0;
  const unsigned low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;  /* below: an overlong form */
  const unsigned high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf; /* above: a surrogate, or beyond U+10FFFF */
  if (p[1] < low || p[1] > high || left < size) return 0;
  for (size_t i = 2; i < size; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  return size;
}

/* Returns whether the character of `size` bytes at `text` may be shown on a terminal. Not so are control characters, C1
 * ones included (U+009B begins a control sequence), and those that change the direction of the text around them. */
static inline int utf8_is_printable(const char *text, size_t size) {
  const unsigned char *p = (const unsigned char *)text;
  if (size == 1) return p[0] >= 0x20 && p[0] != 0x7f;
  if (size == 2) return !(p[0] == 0xc2 && p[1] < 0xa0) && !(p[0] == 0xd8 && p[1] == 0x9c); /* U+0080..9F, U+061C */
  if (size != 3 || p[0] != 0xe2) return size >= 3;
  if (p[1] == 0x80)
    return !(p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae)); /* U+200E, 200F, 2028..E */
  return !(p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);                     /* U+2066..2069 */
}

#endif
