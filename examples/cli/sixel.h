/* Pictures as DEC sixels, a graphics format of terminals. */
#ifndef CLI_SIXEL_H
#define CLI_SIXEL_H

#include <stdio.h>

#include "sheet.h"

/* Prints a picture in 6 x 7 x 6 colours; transparent pixels show the terminal's background. Returns EXIT_OK, or another
 * exit status after a message. */
int sixel_print(FILE *out, const sheet *picture);

#endif
