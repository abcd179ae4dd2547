/* libFuzzer: a checkpoint from a stranger (zip and pickle, safetensors, JSON). It must be refused or read within
 * bounds. The file goes through a path, as people's do. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "weights/convert/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char path[64];
  dit_error error;
  source *s = NULL;
  if (!path[0]) snprintf(path, sizeof path, "/dev/shm/dit-fuzz-%d", (int)getpid());
  FILE *file = fopen(path, "wb");
  if (!file) abort();
  fwrite(data, 1, size, file);
  fclose(file);
  if (!source_open(path, &s, &error))
    for (size_t i = 0; i < s->count; i++) {
      const source_tensor *t = &s->tensors[i];
      uint64_t count = 1;
      float first[16];
      for (int k = 0; k < t->rank; k++) count *= t->shape[k];
      source_read(t, 0, count < 16 ? count : 16, first);
      if (count > 16) source_read(t, count - 16, 16, first);
    }
  source_close(s);
  remove(path);
  return 0;
}
