/* --show: the pictures in the terminal. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdio.h>

#include "sheet.h"

/* Shows a picture by the best protocol that the terminal has; `scale` is how much the picture is enlarged already.
 * EXIT_OK, or another exit status after a message. */
int show_picture(FILE *out, const sheet *picture, int32_t scale);

#endif
