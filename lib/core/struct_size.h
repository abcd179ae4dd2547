/* Structs whose first member says how much of them the caller was compiled with, so that they can grow. */
#ifndef DIT_STRUCT_SIZE_H
#define DIT_STRUCT_SIZE_H

#include "dit.h"

/* Copies a caller's struct into ours, which has `size` bytes. Members that the caller's lacks become zero; members that
 * ours lacks must be zero. If `from` is NULL, ours becomes all zero. In both cases its struct_size becomes `size`.
 * `what` names the struct in messages. Errors: ARGUMENT (an impossible struct_size), UNSUPPORTED (a member of a later
 * version). */
dit_status dit__struct_read(void *to, size_t size, const void *from, const char *what, dit_error *error);

/* Copies our struct of `size` bytes into a caller's, but no byte beyond the caller's struct_size, which is left as it
 * is. Errors: ARGUMENT (NULL, or an impossible struct_size). */
dit_status dit__struct_write(void *to, const void *from, size_t size, const char *what, dit_error *error);

#endif
