/* Whether a stream is a terminal, with someone in front of it. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdio.h>

int is_terminal(FILE *stream);

#endif
