/* Messages on the standard error stream. */
#include "message.h"

#include <stdarg.h>

#include "lib/core/utf8.h"

void print_foreign(FILE *stream, const char *text) {
  while (*text) {
    const size_t size = utf8_size(text, 4), bytes = size ? size : 1;
    if (size && utf8_is_printable(text, size))
      fwrite(text, 1, bytes, stream);
    else
      fputc('?', stream);
    text += bytes;
  }
}

int fail(int status, const char *format, ...) {
  char text[2048]; /* has room for the message of a dit_error and more */
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fputs("dit: ", stderr);
  print_foreign(stderr, text);
  fputc('\n', stderr);
  return status;
}
