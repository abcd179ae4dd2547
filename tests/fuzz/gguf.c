#include "tests/fuzz/gguf.h"

#include <string.h>

#include "tests/fuzz/target.h"

enum { FIELDS = 4096 };

typedef struct walker {
  const uint8_t *data;
  size_t size, at, count;
  struct {
    size_t at;
    int bytes;
  } fields[FIELDS];
} walker;

/* Takes a number, and remembers where it is. */
static uint64_t number(walker *w, int bytes) {
  if (w->size - w->at < (size_t)bytes) {
    w->at = w->size;
    return 0;
  }
  const uint64_t value = fuzz_number(w->data + w->at, bytes);
  if (w->count < FIELDS) w->fields[w->count].at = w->at, w->fields[w->count++].bytes = bytes;
  w->at += (size_t)bytes;
  return value;
}

static void text(walker *w) {
  const uint64_t length = number(w, 8), left = w->size - w->at;
  w->at += (size_t)(length < left ? length : left);
}

static void value(walker *w, uint64_t type) {
  static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  if (type == 8)
    text(w);
  else if (type < sizeof bytes && bytes[type])
    number(w, bytes[type]);
}

static void walk(walker *w) {
  number(w, 4);
  number(w, 4);
  const uint64_t tensors = number(w, 8), keys = number(w, 8);
  for (uint64_t i = 0; i < keys && w->at < w->size; i++) {
    text(w);
    const uint64_t type = number(w, 4);
    if (type != 9) {
      value(w, type);
      continue;
    }
    const uint64_t element = number(w, 4), count = number(w, 8);
    for (uint64_t k = 0; k < count && k < w->size && w->at < w->size; k++) value(w, element); /* or of unknown type */
  }
  for (uint64_t i = 0; i < tensors && w->at < w->size; i++) {
    text(w);
    const uint64_t rank = number(w, 4);
    for (uint64_t k = 0; k < rank && k < 4; k++) number(w, 8);
    number(w, 4);
    number(w, 8);
  }
}

size_t fuzz_mutate_gguf(uint8_t *data, size_t size, size_t room, uint32_t seed) {
  static walker w;
  static const int64_t odd[] = {0,   1,   -1,   2,     3,         4,         8,         16,
                                255, 256, 4096, 65536, INT32_MAX, INT32_MIN, INT64_MAX, 1 << 30};
  (void)room;
  memset(&w, 0, sizeof w);
  w.data = data;
  w.size = size;
  walk(&w);
  if (!w.count) return 0;
  const size_t which = seed % w.count, at = w.fields[which].at;
  const int bytes = w.fields[which].bytes;
  const uint64_t old = fuzz_number(data + at, bytes), by = seed >> 20 & 15;
  uint64_t new;
  switch (seed >> 16 & 7) {
    case 0: new = old + by; break;
    case 1: new = old - by; break;
    case 2: new = old * 2; break;
    case 3: new = old / 2; break;
    case 4: new = fuzz_number(data + w.fields[(seed >> 3) % w.count].at, 1); break;
    case 5: new = old ^ (uint64_t)1 << (by * 4 % (8 * (unsigned)bytes)); break;
    default: new = (uint64_t)odd[by];
  }
  fuzz_put_number(data + at, new, bytes);
  return size;
}

size_t fuzz_mend_gguf(uint8_t *data, size_t size, size_t room) {
  const size_t more = 64 < room - size ? 64 : room - size;
  if (size < 1024 || data[size - 1] == 0) return size;
  memset(data + size, 0, more);
  return size + more;
}
