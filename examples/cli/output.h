/* Output files, which appear complete or not at all. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stddef.h>

/* Writes to a temporary file in the same folder and renames it to `path`, replacing what was there. "-" is the standard
 * output; devices and pipes are written to directly. Returns EXIT_OK, or another exit status after a message (after a
 * signal, without one), and then leaves nothing behind. */
int output_write(const char *path, const unsigned char *bytes, size_t size);

/* Returns EXIT_OK if output_write will probably succeed, or another exit status after a message. Serves to find a
 * mistake before hours of computing. */
int output_check(const char *path);

#endif
