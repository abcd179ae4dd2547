/* Messages for people, and the exit status. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <stdio.h>

/* Ended by a signal, the exit status is 128 + the signal's number, as in a shell. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DIFFERS = 3 /* --again cannot make the same picture */ };

/* Prints "dit: " and a sentence on the standard error stream, and returns `status`. */
int fail(int status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Prints text that a file brought; control characters, which could reprogram a terminal, become '?'. */
void print_foreign(FILE *stream, const char *text);

#endif
