/* Checkpoints of PyTorch before 1.6, to a file that was written and opened again. */
#include "tests/fuzz/target.h"

static void run(const uint8_t *data, size_t size) {
  fuzz_convert(fuzz_save("in.pt", data, size), fuzz_crc(data, size));
}

const fuzz_target fuzz_legacy = {"legacy", run, NULL, NULL};
