/* The entry points of libFuzzer for the target FUZZ_TARGET, which run.sh defines. */
#include "tests/fuzz/target.h"

#ifndef FUZZ_TARGET
#define FUZZ_TARGET fuzz_json
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

size_t fuzz_change(uint8_t *data, size_t size, size_t room) { return LLVMFuzzerMutate(data, size, room); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FUZZ_TARGET.run(data, size);
  return 0;
}

/* Half of the changes are structured if the target knows some, and 15 of 16 are mended. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  size_t changed = 0;
  seed = seed * 2654435761u >> 4;
  if (FUZZ_TARGET.mutate && seed % 2) changed = FUZZ_TARGET.mutate(data, size, room, seed >> 5);
  if (!changed) changed = LLVMFuzzerMutate(data, size, room);
  return FUZZ_TARGET.mend && seed >> 1 & 15 ? FUZZ_TARGET.mend(data, changed, room) : changed;
}
