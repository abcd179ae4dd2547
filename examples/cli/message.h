/* Messages on the standard error stream, and exit statuses. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <stdio.h>

/* After a signal, the exit status is 128 plus its number, as in a shell. */
enum {
  EXIT_OK = 0,
  EXIT_FAILED = 1,
  EXIT_USAGE = 2,  /* the command line is wrong */
  EXIT_DIFFERS = 3 /* --again cannot make the same picture */
};

/* Prints "dit: " and the message, and returns `status`. */
int fail(int status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Prints text that comes from a file. Control characters, which could reprogram a terminal, are replaced by '?'. */
void print_foreign(FILE *stream, const char *text);

#endif
