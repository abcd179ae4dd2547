#include "tests/fuzz/safetensors.h"

#include "tests/fuzz/target.h"

size_t fuzz_mend_safetensors(uint8_t *data, size_t size, size_t room) {
  int depth = 0, quoted = 0;
  (void)room;
  if (size < 10 || data[8] != '{') return size;
  for (size_t i = 8; i < size; i++) {
    if (quoted && data[i] == '\\')
      i++;
    else if (data[i] == '"')
      quoted = !quoted;
    else if (!quoted)
      depth += (data[i] == '{') - (data[i] == '}');
    if (depth) continue;
    uint64_t length = i - 7;
    while (length < fuzz_number(data, 8) && 8 + length < size && data[8 + length] == ' ') length++; /* padding */
    fuzz_put_number(data, length, 8);
    return size;
  }
  return size;
}
