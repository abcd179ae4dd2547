/* Structs with a struct_size. */
#ifndef DIT_STRUCT_SIZE_H
#define DIT_STRUCT_SIZE_H

#include "dit.h"

/* Copies a caller's struct into ours of `size` bytes: missing members become zero, unknown ones must be zero. NULL
 * gives all zero. `what` names the struct. */
dit_status dit__struct_read(void *to, size_t size, const void *from, const char *what, dit_error *error);
/* Copies ours into a caller's, not beyond his struct_size, which stays. */
dit_status dit__struct_write(void *to, const void *from, size_t size, const char *what, dit_error *error);

#endif
