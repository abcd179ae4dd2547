/* Files that are whole or not there at all. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stddef.h>

/* Writes a file beside its place and then moves it there, over what was there before; "-" is the standard output, and
 * devices and pipes are written to directly. EXIT_OK, or EXIT_FAILED after a message; then nothing is left behind. */
int output_write(const char *path, const unsigned char *bytes, size_t size);

/* Whether output_write will probably work, asked before hours of computing. */
int output_check(const char *path);

#endif
