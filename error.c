/* Errors in words. */
#include "numerics.h"

#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

dit_status dit__fail(dit_error *error, dit_status status, const char *format, ...) {
  if (error) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    error->status = status;
  }
  return status;
}

const char *dit_status_name(dit_status status) {
  switch (status) {
    case DIT_OK: return "DIT_OK";
    case DIT_MORE: return "DIT_MORE";
    case DIT_ERROR_ARGUMENT: return "DIT_ERROR_ARGUMENT";
    case DIT_ERROR_IO: return "DIT_ERROR_IO";
    case DIT_ERROR_FORMAT: return "DIT_ERROR_FORMAT";
    case DIT_ERROR_UNSUPPORTED: return "DIT_ERROR_UNSUPPORTED";
    case DIT_ERROR_MEMORY: return "DIT_ERROR_MEMORY";
    case DIT_ERROR_STATE: return "DIT_ERROR_STATE";
    case DIT_CANCELLED: return "DIT_CANCELLED";
    default: return "unknown status";
  }
}
