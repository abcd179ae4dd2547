/* Numbers of the command line, read strictly: the whole word must be a number within the range. */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <stdint.h>

/* Each returns EXIT_OK and the number, or EXIT_USAGE after a message with `option`, the value and the range. */
int number_int(const char *option, const char *text, int32_t low, int32_t high, int32_t *out);
int number_seed(const char *option, const char *text, uint64_t *out);
int number_float(const char *option, const char *text, double low, double high, float *out);

/* 1 and the number if all of the text is a number in the range; else 0. */
int number_real(const char *text, double low, double high, float *out);

/* 1 and the number if the first `length` bytes are decimal digits that fit 64 bits; else 0. */
int number_digits(const char *text, size_t length, uint64_t *out);

#endif
