/* Pictures as text: half-block characters, two pixels per character, in 24-bit colour. */
#ifndef CLI_HALF_BLOCKS_H
#define CLI_HALF_BLOCKS_H

#include <stdio.h>

#include "sheet.h"

/* Prints one pixel of each step x step square of a picture. Transparent pixels show the terminal's background. Returns
 * EXIT_OK, or another exit status after a message. */
int half_blocks_print(FILE *out, const sheet *picture, int32_t step);

/* Returns the number of lines that half_blocks_print prints. */
int32_t half_blocks_lines(const sheet *picture, int32_t step);

#endif
