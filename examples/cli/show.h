/* --show: shows pictures in the terminal. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdio.h>

#include "sheet.h"

/* Shows a picture, which is already enlarged `scale` times, by the best protocol of the terminal. Returns EXIT_OK, or
 * another exit status after a message. */
int show_picture(FILE *out, const sheet *picture, int32_t scale);

#endif
