/* Files that appear whole under their name, or not at all. */
#ifndef PROGRAMS_NEW_FILE_H
#define PROGRAMS_NEW_FILE_H

#include <stdio.h>

typedef struct new_file {
  FILE *file;      /* to be written; NULL once it is closed */
  char *target;    /* the file that will be replaced */
  char *temporary; /* the file that is written, in the folder of the target; NULL once it has its name */
} new_file;

/* Creates a file under a name that nobody has, beside the one that `path` leads to. Symbolic links are followed, also to
 * a file that is not there yet, so that they stay. The functions return 0, or -1 and set errno; then, and in the end,
 * new_file_end must be called. */
int new_file_open(new_file *f, const char *path);

/* Writes out what is buffered, waits until it is on the disk, and closes the file. */
int new_file_close(new_file *f);

/* Replaces the target in one step, and waits until its folder is on the disk. */
int new_file_publish(new_file *f);

/* Removes the file unless it was published. Keeps errno. */
void new_file_end(new_file *f);

/* Removes all files that are not published. For a signal handler that ends the program. */
void new_file_remove_all(void);

#endif
