/* Numbers, parsed strictly. */
#include "number.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

int number_digits(const char *text, size_t length, uint64_t *out) {
  uint64_t number = 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] < '0' || text[i] > '9') return 0;
    uint64_t digit = (uint64_t)(text[i] - '0');
    if (number > (UINT64_MAX - digit) / 10) return 0;
    number = number * 10 + digit;
  }
  *out = number;
  return length > 0;
}

int number_int(const char *option, const char *text, int32_t low, int32_t high, int32_t *out) {
  uint64_t number;
  if (!number_digits(text, strlen(text), &number) || number < (uint64_t)low || number > (uint64_t)high) {
    return fail(EXIT_USAGE, "%s %s: must be an integer from %d to %d", option, text, low, high);
  }
  *out = (int32_t)number;
  return EXIT_OK;
}

int number_seed(const char *option, const char *text, uint64_t *out) {
  if (number_digits(text, strlen(text), out)) return EXIT_OK;
  return fail(EXIT_USAGE, "%s %s: must be an integer from 0 to 18446744073709551615", option, text);
}

int number_real(const char *text, double low, double high, float *out) {
  char *end = NULL;
  int plain =
      *text && strspn(text, "0123456789.eE+-") == strlen(text); /* strtod also accepts blanks, hex, inf and nan */
  double number = plain ? strtod(text, &end) : 0;
  if (!plain || *end || !(number >= low && number <= high)) return 0;
  *out = (float)number;
  return 1;
}

int number_float(const char *option, const char *text, double low, double high, float *out) {
  if (number_real(text, low, high, out)) return EXIT_OK;
  return fail(EXIT_USAGE, "%s %s: must be a number from %g to %g", option, text, low, high);
}
