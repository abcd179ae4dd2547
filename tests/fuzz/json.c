#include "tests/fuzz/json.h"

#include <string.h>

#include "tests/fuzz/target.h"

typedef struct token {
  size_t at, length;
} token;

static int is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/* Finds the first number or string from `at` on, in the part of the data that looks like text. */
static int find_token(const uint8_t *data, size_t size, size_t at, token *out) {
  while (at < size && data[at] != '"' && !is_digit(data[at])) at++;
  size_t end = at + 1;
  if (at >= size) return 0;
  if (data[at] == '"') {
    while (end < size && data[end] != '"') end += data[end] == '\\' ? 2 : 1;
    if (end++ >= size) return 0;
  } else {
    while (end < size && (is_digit(data[end]) || data[end] == '.')) end++;
  }
  out->at = at;
  out->length = end - at;
  return 1;
}

static size_t replace(uint8_t *data, size_t size, size_t room, token t, const uint8_t *by, size_t length) {
  if (size - t.length + length > room) return 0;
  memmove(data + t.at + length, data + t.at + t.length, size - t.at - t.length);
  memcpy(data + t.at, by, length);
  return size - t.length + length;
}

size_t fuzz_mutate_json(uint8_t *data, size_t size, size_t room, uint32_t seed) {
  static const char *const odd[] = {"0",
                                    "1",
                                    "2",
                                    "3",
                                    "4",
                                    "8",
                                    "7",
                                    "16",
                                    "32",
                                    "64",
                                    "1024",
                                    "65536",
                                    "2147483647",
                                    "-1",
                                    "0.5",
                                    "1e300",
                                    "null",
                                    "[]",
                                    "{}",
                                    "\"\"",
                                    "true",
                                    "false",
                                    "9223372036854775807",
                                    "18446744073709551616"};
  uint8_t copy[256];
  token a, b;
  const uint8_t *open = (const uint8_t *)memchr(data, '{', size);
  if (!open) return 0;
  const size_t begin = (size_t)(open - data), span = size - begin;
  if (!find_token(data, size, begin + seed % span, &a) && !find_token(data, size, begin, &a)) return 0;
  const char *text = odd[(seed >> 8) % (sizeof odd / sizeof *odd)];
  if (seed >> 4 & 1) return replace(data, size, room, a, (const uint8_t *)text, strlen(text));
  if (!find_token(data, size, begin + (seed >> 6) % span, &b) || b.length > sizeof copy) return 0;
  memcpy(copy, data + b.at, b.length);
  return replace(data, size, room, a, copy, b.length);
}
