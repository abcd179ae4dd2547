/* What is not started unless the user asks for it with --long: a model file or a PNG from anybody may ask for more memory
 * than the machine has, or for days of work. */
#ifndef CLI_LIMITS_H
#define CLI_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Each returns EXIT_OK, or EXIT_FAILED after a message that says what it would take and how to ask for it. `allowed` is
 * --long. */
int limits_check_memory(int allowed, size_t job_bytes);
/* For a file of `size` bytes at `path`, unpacking which takes `bytes`. */
int limits_check_unpacking(int allowed, const char *path, size_t size, uint64_t bytes);
int limits_check_time(int allowed, int64_t microseconds_left, int32_t pictures);

#endif
