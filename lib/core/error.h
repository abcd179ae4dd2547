/* Error messages. */
#ifndef DIT_ERROR_H
#define DIT_ERROR_H

#include "dit.h"

/* Fills `error` (NULL is fine) with a formatted sentence and returns `status`. */
dit_status dit__fail(dit_error *error, dit_status status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

#endif
