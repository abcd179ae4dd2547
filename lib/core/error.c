/* Error messages: formatting, and making text from paths and files printable. */
#include "lib/core/numerics.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/core/error.h"

/* Makes a message one line of UTF-8: control characters and malformed bytes become '?'. */
static void error_clean(char *message) {
  for (unsigned char *at = (unsigned char *)message; *at;) {
    const int extra = *at < 0x80 ? 0 : *at < 0xc2 ? -1 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : *at < 0xf5 ? 3 : -1;
    int i = 1;
    while (i <= extra && (at[i] & 0xc0) == 0x80) i++; /* ends at the terminator */
    if (extra < 0 || i <= extra || *at < 0x20 || *at == 0x7f)
      *at++ = '?';
    else
      at += i;
  }
}

dit_status dit__fail(dit_error *error, dit_status status, const char *format, ...) {
  if (error) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    error_clean(error->message);
    error->status = status;
  }
  return status;
}
