/* Zip archives as bytes, with their sums mended: the directory, the local headers, and what torch.save puts there. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "weights/convert/read/torch.h"
#include "weights/convert/read/zip.h"

static void run(const uint8_t *data, size_t size) {
  uint8_t *copy = (uint8_t *)malloc(size + !size);
  dit_error error;
  zip archive;
  if (!copy) abort();
  if (size) memcpy(copy, data, size);
  if (!zip_open(copy, size, "file", &archive, &error)) {
    for (size_t i = 0; i < archive.count; i++) {
      const zip_entry *e = &archive.entries[i];
      if (zip_find(&archive, e->name, e->name_length) == NULL) abort();
      zip_check(e, 1, "file", &error);
    }
    zip_close(&archive);
  }
  checkpoint *s = checkpoint_new();
  if (s) torch_list(copy, size, "file", s, &error);
  checkpoint_close(s);
  free(copy);
}

/* Writes the right sum into every entry of the directory, where its data lies in the file. */
static size_t mend(uint8_t *data, size_t size, size_t room) {
  (void)room;
  for (size_t at = 0; at + 46 <= size; at++) {
    if (fuzz_number(data + at, 4) != 0x02014b50) continue;
    const uint64_t packed = fuzz_number(data + at + 20, 4), local = fuzz_number(data + at + 42, 4);
    if (local + 30 > size || fuzz_number(data + local, 4) != 0x04034b50) continue;
    const uint64_t begin = local + 30 + fuzz_number(data + local + 26, 2) + fuzz_number(data + local + 28, 2);
    if (begin > size || packed > size - begin) continue;
    const uint32_t crc = fuzz_crc(data + begin, (size_t)packed);
    fuzz_put_number(data + at + 16, crc, 4);
    if (fuzz_number(data + local + 14, 4)) fuzz_put_number(data + local + 14, crc, 4);
  }
  return size;
}

const fuzz_target fuzz_zip = {"zip", run, NULL, mend};
