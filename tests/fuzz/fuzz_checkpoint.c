/* libFuzzer: a checkpoint from a stranger (zip and pickle, the format before that, safetensors, JSON, model files). It
 * must be refused or read within bounds, also after its names were brought to the official ones. The file goes through
 * a path, as people's do. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "weights/convert/read/open.h"
#include "weights/convert/shape/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char path[64];
  dit_error error;
  checkpoint *s = NULL;
  char note[256];
  if (!path[0]) snprintf(path, sizeof path, "/dev/shm/dit-fuzz-%d", (int)getpid());
  FILE *file = fopen(path, "wb");
  if (!file) abort();
  fwrite(data, 1, size, file);
  fclose(file);
  if (!checkpoint_open(path, NULL, &s, &error) && !names_canonicalize(s, note, sizeof note, &error))
    for (size_t i = 0; i < s->count; i++) {
      const checkpoint_tensor *t = &s->tensors[i];
      uint64_t count = checkpoint_elements(t);
      float first[16];
      checkpoint_read(t, 0, count < 16 ? count : 16, first);
      if (count > 16) checkpoint_read(t, count - 16, 16, first);
    }
  checkpoint_close(s);
  remove(path);
  return 0;
}
