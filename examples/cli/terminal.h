/* What is known about a terminal: whether a stream is one, its size, and how it shows pictures. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdio.h>

int is_terminal(FILE *stream);

/* Sets the size in characters; if the stream is not a terminal, the variable COLUMNS (or 80) and 24 rows. */
void terminal_size(FILE *stream, int *columns, int *rows);

/* Returns how the terminal shows pictures, found from its environment or by asking it. */
enum { TERMINAL_HALF_BLOCKS, TERMINAL_KITTY, TERMINAL_ITERM, TERMINAL_SIXEL };
int terminal_pictures(FILE *stream);

#endif
