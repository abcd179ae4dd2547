/* The record of a PNG from texts, without a PNG around them: a section for each text. */
#include "examples/cli/texts.h"

#include <stdlib.h>
#include <string.h>

#include "examples/cli/message.h"
#include "tests/fuzz/target.h"

enum { MOST_TEXTS = 64 };

static void run(const uint8_t *data, size_t size) {
  char *keys[MOST_TEXTS], *values[MOST_TEXTS], text[MAX_RECORD_TEXT];
  png_file file = {.keys = keys, .values = values};
  fuzz_section s;
  record r;
  size_t cursor = 0;
  while (file.text_count < MOST_TEXTS && fuzz_next_section(data, size, &cursor, &s)) {
    char *value = (char *)calloc(1, s.size + 1);
    if (!value || !(keys[file.text_count] = strdup(s.name))) abort();
    for (size_t i = 0; i < s.size; i++) value[i] = s.data[i] > 31 && s.data[i] < 127 ? (char)s.data[i] : '?';
    values[file.text_count++] = value;
  }
  if (texts_read("file", &file, &r) == EXIT_OK) {
    record again = r;
    for (const record_field *f = record_fields; f->key; f++) {
      if (!record_has(&r, f)) continue;
      record_print(&r, f, text); /* what was read is written, and read again */
      if (!record_parse(&again, f, text)) abort();
    }
    record_free(&r);
  }
  for (int i = 0; i < file.text_count; i++) free(keys[i]), free(values[i]);
}

static size_t mutate(uint8_t *data, size_t size, size_t room, uint32_t seed) {
  return fuzz_mutate_section(data, size, room, seed, NULL);
}

const fuzz_target fuzz_texts = {"texts", run, mutate, NULL};
