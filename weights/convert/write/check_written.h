/* What is written opens. */
#ifndef DIT_CHECK_WRITTEN_H
#define DIT_CHECK_WRITTEN_H

#include "dit.h"

/* Opens a model file as a host would. */
dit_status check_written(const char *path, dit_error *error);

#endif
