/* Messages on the standard error stream. */
#include "message.h"

#include <stdarg.h>

void print_foreign(FILE *stream, const char *text) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    fputc(c < 32 || c == 127 ? '?' : c, stream);
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
