/* Files that a program maps while others may change them. */
#ifndef PROGRAMS_MAPPED_FILE_H
#define PROGRAMS_MAPPED_FILE_H

typedef struct mapped_file mapped_file;

/* From now on a page that is gone, because its file was cut short, ends the program: with a sentence that begins with
 * its name, status 1, and without unpublished files (new_file.h). `program` must live as long as the program. Nothing on
 * Windows, which lets nobody cut a mapped file short. */
void mapped_file_guard(const char *program);

/* Remembers what `path` names now, before it is mapped. Returns NULL without memory. A file that does not exist is left
 * to who opens it. One thread. */
mapped_file *mapped_file_watch(const char *path);
void mapped_file_forget(mapped_file *file); /* may be NULL */

/* Returns the path of a watched file that is no longer the same file, as large and as old as it was; NULL: none. */
const char *mapped_file_changed(void);

#endif
