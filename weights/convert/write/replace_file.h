/* Files that appear whole under their name, or not at all. */
#ifndef DIT_REPLACE_FILE_H
#define DIT_REPLACE_FILE_H

#include <stdio.h>

/* Waits until the bytes of a flushed file are on the disk. Returns 0, or another number and sets errno. */
int file_synchronize(FILE *file);

/* Renames `from` to `to`, replacing it in one step, and waits until the folder is on the disk. Returns 0, or another
 * number and sets errno. */
int file_replace(const char *from, const char *to);

#endif
