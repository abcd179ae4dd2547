/* safetensors, to a file that was written and opened again. */
#include "tests/fuzz/json.h"
#include "tests/fuzz/safetensors.h"
#include "tests/fuzz/target.h"

static void run(const uint8_t *data, size_t size) {
  fuzz_convert(fuzz_save("in.safetensors", data, size), fuzz_crc(data, size));
}

const fuzz_target fuzz_safetensors = {"safetensors", run, fuzz_mutate_json, fuzz_mend_safetensors};
