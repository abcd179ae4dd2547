/* Whether a stream is a terminal, with someone in front of it. */
#if !defined(_WIN32) && !defined(_XOPEN_SOURCE)
#define _XOPEN_SOURCE 700 /* fileno, isatty */
#endif
#include "terminal.h"

#ifdef _WIN32
#include <io.h>
int is_terminal(FILE *stream) { return _isatty(_fileno(stream)); }
#else
#include <unistd.h>
int is_terminal(FILE *stream) { return isatty(fileno(stream)); }
#endif
