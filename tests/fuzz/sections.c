#define _GNU_SOURCE /* memmem */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/json.h"
#include "tests/fuzz/target.h"

int fuzz_next_section(const uint8_t *data, size_t size, size_t *cursor, fuzz_section *out) {
  const uint8_t *at = data + *cursor;
  size_t left = size - *cursor;
  if (left < 4 || memcmp(at, "@@ ", 3) != 0) return 0;
  const uint8_t *line = (const uint8_t *)memchr(at, '\n', left);
  if (!line) return 0;
  const size_t length = (size_t)(line - at) - 3;
  snprintf(out->name, sizeof out->name, "%.*s", (int)(length < 60 ? length : 60), (const char *)at + 3);
  out->data = line + 1;
  left -= (size_t)(line + 1 - at);
  const uint8_t *next = (const uint8_t *)memmem(out->data, left, "\n@@ ", 4);
  out->size = next ? (size_t)(next - out->data) : left;
  *cursor = (size_t)(out->data - data) + out->size + (next ? 1 : 0);
  return 1;
}

size_t fuzz_mutate_section(uint8_t *data, size_t size, size_t room, uint32_t seed,
                           size_t (*mend)(uint8_t *data, size_t size, size_t room)) {
  fuzz_section s;
  size_t cursor = 0, count = 0;
  while (fuzz_next_section(data, size, &cursor, &s)) count++;
  if (!count) return 0;
  size_t chosen = seed % count;
  for (cursor = 0; fuzz_next_section(data, size, &cursor, &s) && chosen; chosen--) continue;
  const size_t begin = (size_t)(s.data - data), after = size - begin - s.size, most = room - begin - after;
  uint8_t *copy = (uint8_t *)malloc(most + 1);
  if (!copy) abort();
  memcpy(copy, s.data, s.size);
  size_t changed = seed >> 8 & 1 ? fuzz_mutate_json(copy, s.size, most, seed >> 9) : 0;
  if (!changed) changed = fuzz_change(copy, s.size, most);
  if (mend) changed = mend(copy, changed, most);
  memmove(data + begin + changed, data + begin + s.size, after);
  memcpy(data + begin, copy, changed);
  free(copy);
  return begin + changed + after;
}
