/* Model files that dit-convert writes again. */
#include "tests/fuzz/gguf.h"
#include "tests/fuzz/target.h"

static void run(const uint8_t *data, size_t size) {
  fuzz_convert(fuzz_save("in.gguf", data, size), fuzz_crc(data, size));
}

const fuzz_target fuzz_gguf = {"gguf", run, fuzz_mutate_gguf, fuzz_mend_gguf};
