/* Error messages: formatting, and making text from paths and files printable. */
#include "lib/core/numerics.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/utf8.h"

/* Makes a message one line of printable UTF-8: each byte of anything else becomes '?'. */
static void error_clean(char *message) {
  for (char *at = message; *at;) {
    const size_t size = utf8_size(at, 4), bytes = size ? size : 1;
    if (!size || !utf8_is_printable(at, size)) memset(at, '?', bytes);
    at += bytes;
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
