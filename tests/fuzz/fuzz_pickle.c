/* Pickles: the machine, and a state dict in it, with the storages that it asks for. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "weights/convert/read/state_dict.h"

static uint8_t storage[4096];

static dit_status find(const state_dict_reader *reader, const state_dict_storage *wanted, const uint8_t **data,
                       uint64_t *stored, const char **wrong) {
  (void)reader, (void)stored;
  if (wanted->count > sizeof storage / wanted->element) *wrong = "is too large";
  *data = storage;
  return *wrong ? DIT_ERROR_FORMAT : DIT_OK;
}

static void read_all(const checkpoint *s) {
  for (size_t i = 0; i < s->count; i++) {
    const uint64_t count = checkpoint_elements(&s->tensors[i]);
    float values[64];
    for (uint64_t first = 0; first < count && first < 4096; first += 64)
      checkpoint_read(&s->tensors[i], first, count - first < 64 ? count - first : 64, values);
  }
}

static void run(const uint8_t *data, size_t size) {
  uint8_t *copy = (uint8_t *)malloc(size + !size);
  dit_error error;
  pickle *p = NULL;
  size_t used = 0;
  state_dict_reader reader = {"file", "pickle", &error, find, NULL, 0, NULL, size, 0};
  if (!copy) abort();
  if (size) memcpy(copy, data, size);
  checkpoint *s = checkpoint_new();
  if (s && !pickle_open(copy, size, size & 1 ? &used : NULL, state_dict_names, "file", &p, &error) &&
      !state_dict_list(&reader, pickle_top(p), s))
    read_all(s);
  checkpoint_close(s);
  pickle_close(p);
  free(copy);
}

const fuzz_target fuzz_pickle = {"pickle", run, NULL, NULL};
