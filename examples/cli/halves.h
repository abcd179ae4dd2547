/* Pictures as text: half blocks, two pixels to a character, in 24-bit colour. */
#ifndef CLI_HALVES_H
#define CLI_HALVES_H

#include <stdio.h>

#include "sheet.h"

/* Prints every step-th pixel of a picture; transparent ones show the terminal's background. EXIT_OK, or another exit
 * status after a message. */
int halves_print(FILE *out, const sheet *picture, int32_t step);

/* How many lines that takes. */
int32_t halves_lines(const sheet *picture, int32_t step);

#endif
