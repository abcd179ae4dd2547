/* What is written opens, and was read from files that nobody changed meanwhile. */
#ifndef DIT_CHECK_WRITTEN_H
#define DIT_CHECK_WRITTEN_H

#include "dit.h"

/* Fails with the name of an input that is no longer what it was when it was opened. */
dit_status check_unchanged(dit_error *error);

/* The same, and opens a model file as a host would. */
dit_status check_written(const char *path, dit_error *error);

#endif
