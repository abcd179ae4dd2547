/* Structs with a struct_size: see struct_size.h. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/core/struct_size.h"

enum { MAX_STRUCT_SIZE = 4096 }; /* no version's struct is larger: a greater number means that it was never set */

static dit_status struct_check(uint32_t size, const char *what, dit_error *error) {
  if (size >= sizeof size && size <= MAX_STRUCT_SIZE) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "%s: struct_size is %u; set it to the sizeof of the struct before the call", what, (unsigned)size);
}

dit_status dit__struct_read(void *to, size_t size, const void *from, const char *what, dit_error *error) {
  const uint32_t ours = (uint32_t)size;
  uint32_t theirs;
  memset(to, 0, size);
  if (from) {
    memcpy(&theirs, from, sizeof theirs);
    const dit_status status = struct_check(theirs, what, error);
    if (status) return status;
    for (size_t i = size; i < theirs; i++)
      if (((const uint8_t *)from)[i])
        return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                         "%s: byte %zu of %u is set, which belongs to a member that this version of libdit does not "
                         "have; use a newer library, or leave the member 0",
                         what, i, (unsigned)theirs);
    memcpy(to, from, theirs < size ? theirs : size);
  }
  memcpy(to, &ours, sizeof ours);
  return DIT_OK;
}

dit_status dit__struct_write(void *to, const void *from, size_t size, const char *what, dit_error *error) {
  uint32_t theirs;
  if (!to) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s is NULL", what);
  memcpy(&theirs, to, sizeof theirs);
  const dit_status status = struct_check(theirs, what, error);
  if (status) return status;
  memcpy((uint8_t *)to + sizeof theirs, (const uint8_t *)from + sizeof theirs,
         (theirs < size ? theirs : size) - sizeof theirs);
  return DIT_OK;
}
