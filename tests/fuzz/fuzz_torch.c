/* Checkpoints of torch.save: the input has a section for each file in the archive, of which a sound archive is made; so
 * that all changes are seen by the reader of pickles, and what it accepts is converted. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"

typedef struct archive {
  uint8_t *bytes;
  size_t size, room;
} archive;

static void put(archive *a, const void *bytes, size_t size) {
  if (size > a->room - a->size) abort(); /* `run` made room for all */
  if (size) memcpy(a->bytes + a->size, bytes, size);
  a->size += size;
}

static void put_number(archive *a, uint64_t value, int bytes) {
  uint8_t p[8];
  fuzz_put_number(p, value, bytes);
  put(a, p, (size_t)bytes);
}

/* Appends what a local header and an entry of the directory have in common. */
static void put_entry(archive *a, const fuzz_section *s, size_t name) {
  put_number(a, 20, 2); /* version */
  put_number(a, 0, 8);  /* flags, method, time */
  put_number(a, fuzz_crc(s->data, s->size), 4);
  put_number(a, s->size, 4);
  put_number(a, s->size, 4);
  put_number(a, name, 2);
  put_number(a, 0, 2);
}

static void make_archive(archive *a, const uint8_t *data, size_t size) {
  fuzz_section s;
  size_t cursor = 0, count = 0, places[256];
  for (; count < 256 && fuzz_next_section(data, size, &cursor, &s); count++) {
    places[count] = a->size;
    put(a, "PK\3\4", 4);
    put_entry(a, &s, strlen(s.name));
    put(a, s.name, strlen(s.name));
    put(a, s.data, s.size);
  }
  const size_t directory = a->size;
  cursor = 0;
  for (size_t i = 0; i < count && fuzz_next_section(data, size, &cursor, &s); i++) {
    put(a, "PK\1\2", 4);
    put_number(a, 20, 2);
    put_entry(a, &s, strlen(s.name));
    put_number(a, 0, 8); /* comment, disk, attributes */
    put_number(a, 0, 2);
    put_number(a, places[i], 4);
    put(a, s.name, strlen(s.name));
  }
  const size_t end = a->size;
  put(a, "PK\5\6", 4);
  put_number(a, 0, 4);
  put_number(a, count, 2);
  put_number(a, count, 2);
  put_number(a, end - directory, 4);
  put_number(a, directory, 4);
  put_number(a, 0, 2);
}

static void run(const uint8_t *data, size_t size) {
  archive a = {NULL, 0, size + 256 * 200 + 100};
  a.bytes = (uint8_t *)malloc(a.room);
  if (!a.bytes) abort();
  make_archive(&a, data, size);
  const char *path = fuzz_save("in.pt", a.bytes, a.size);
  free(a.bytes);
  fuzz_convert(path, fuzz_crc(data, size));
}

static size_t mutate(uint8_t *data, size_t size, size_t room, uint32_t seed) {
  return fuzz_mutate_section(data, size, room, seed % 4 ? 0 : seed >> 2, NULL); /* the first section is the pickle */
}

const fuzz_target fuzz_torch = {"torch", run, mutate, NULL};
