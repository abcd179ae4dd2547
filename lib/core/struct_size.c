/* Structs that grow: their first member says how much of them the caller knows. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/core/struct_size.h"

enum { MAX_STRUCT_SIZE = 4096 }; /* larger than any version's structs: what lies there was never set */

dit_status dit__struct_read(void *to, size_t size, const void *from, const char *what, dit_error *error) {
  uint32_t theirs;
  memset(to, 0, size);
  if (from) {
    memcpy(&theirs, from, sizeof theirs);
    if (theirs < sizeof theirs || theirs > MAX_STRUCT_SIZE)
      return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: struct_size is %u; set it to sizeof the struct", what,
                       (unsigned)theirs);
    for (size_t i = size; i < theirs; i++)
      if (((const uint8_t *)from)[i])
        return dit__fail(
            error, DIT_ERROR_UNSUPPORTED,
            "%s: a member that this version of libdit does not know is set (byte %zu of %u); use a newer library", what,
            i, (unsigned)theirs);
    memcpy(to, from, theirs < size ? theirs : size);
  }
  theirs = (uint32_t)size;
  memcpy(to, &theirs, sizeof theirs);
  return DIT_OK;
}

dit_status dit__struct_write(void *to, const void *from, size_t size, const char *what, dit_error *error) {
  uint32_t theirs;
  if (!to) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: NULL", what);
  memcpy(&theirs, to, sizeof theirs);
  if (theirs < sizeof theirs || theirs > MAX_STRUCT_SIZE)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: struct_size is %u; set it to sizeof the struct", what,
                     (unsigned)theirs);
  memcpy((uint8_t *)to + sizeof theirs, (const uint8_t *)from + sizeof theirs,
         (theirs < size ? theirs : size) - sizeof theirs);
  return DIT_OK;
}
