/* Terminals: whether there is one, how large it is, what pictures it can show. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdio.h>

int is_terminal(FILE *stream);

/* Columns and rows; of what is not a terminal, COLUMNS (or 80) and 24. */
void terminal_size(FILE *stream, int *columns, int *rows);

/* How it takes pictures, by what its environment says, or its answer to a question. */
enum { TERMINAL_HALVES, TERMINAL_KITTY, TERMINAL_ITERM, TERMINAL_SIXEL };
int terminal_pictures(FILE *stream);

#endif
