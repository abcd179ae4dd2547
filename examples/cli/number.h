/* Numbers, parsed strictly: all of the text must be one number within the range. */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Values of options. Each function returns EXIT_OK, or EXIT_USAGE after a message with the option and the range. */
int number_int(const char *option, const char *text, int32_t low, int32_t high, int32_t *out);
int number_seed(const char *option, const char *text, uint64_t *out);
int number_float(const char *option, const char *text, double low, double high, float *out);

/* Returns 1 if all of the text is a number within the range, or else 0. */
int number_real(const char *text, double low, double high, float *out);

/* Returns 1 if the first `length` bytes are decimal digits of a number below 2^64, or else 0. */
int number_digits(const char *text, size_t length, uint64_t *out);

#endif
