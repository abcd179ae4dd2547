/* Names and other text found in files: checked, copied, compared, shown in messages. */
#ifndef DIT_CONVERT_TEXT_H
#define DIT_CONVERT_TEXT_H

#include <stddef.h>

/* Returns 1 if s can name a tensor: 1 to 1000 bytes of UTF-8 without control characters. */
int text_is_name(const char *s, size_t length);
/* Returns a terminated copy, to be freed; NULL without memory. */
char *text_copy(const char *s, size_t length);
/* Sorts `names`, and returns one that is there twice, or NULL. */
const char *text_duplicate(const char **names, size_t count);

enum { TEXT_SHOWN = 100 };
/* Makes text from a file fit for a message: cut to about 80 bytes, with '?' for what cannot be printed. Returns `shown`. */
const char *text_shown(char shown[TEXT_SHOWN], const char *s, size_t length);

#endif
