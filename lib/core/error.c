/* Error messages: formatting, and making text from paths and files printable. */
#include "lib/core/numerics.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/core/error.h"
#include "lib/core/utf8.h"

/* Makes a message one line of UTF-8: control characters and malformed bytes become '?'. */
static void error_clean(char *message) {
  for (char *at = message; *at;) {
    const size_t size = utf8_size(at, 4);
    if (size == 0 || (unsigned char)*at < 0x20 || *at == 0x7f)
      *at++ = '?';
    else
      at += size;
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
