/* Error messages. */
#ifndef DIT_ERROR_H
#define DIT_ERROR_H

#include "dit.h"

/* Formats a sentence into error->message, sets error->status, and returns `status`. `error` may be NULL. The message is
 * cut to its 508 bytes, and bytes that are no printable UTF-8 become '?': paths and files may have brought them in. */
dit_status dit__fail(dit_error *error, dit_status status, const char *format, ...)
#if defined(__MINGW32__) /* its printf is C99's, though its compiler checks formats by Microsoft's old rules */
    __attribute__((format(gnu_printf, 3, 4)))
#elif defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

#endif
