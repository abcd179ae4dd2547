#include "tests/fuzz/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "weights/convert/shape/content.h"
#include "weights/convert/write/write_model.h"

static void write(const char *path, int type, int vae) {
  static const char transformer[] = "dit:hidden=16,depth=2,heads=2,patch=2,latent=4,in=4,classes=3,sigma=1",
                    autoencoder[] = "vae:blocks=8+8,layers=1,groups=4,in=4,out=4,latent=4";
  static const char *const labels[] = {"potion", "key, latch", "key"};
  model_content m;
  convert_options o;
  dit_error error;
  memset(&m, 0, sizeof m);
  memset(&o, 0, sizeof o);
  o.type = type;
  o.guidance = -1;
  o.labels = labels;
  o.label_count = 3;
  dit_status status = content_add_synthetic(&m, transformer, &error);
  if (!status && vae) status = content_add_synthetic(&m, autoencoder, &error);
  if (!status) status = model_write(&m, &o, path, NULL, NULL, &error);
  if (status) {
    fprintf(stderr, "%s\n", error.message);
    abort();
  }
  content_free(&m);
}

const uint8_t *tiny_model(int which, size_t *size) {
  static const int types[TINY_MODELS] = {DIT_TYPE_F32, DIT_TYPE_F16, DIT_TYPE_Q8, DIT_TYPE_Q4, DIT_TYPE_F32};
  static uint8_t *models[TINY_MODELS];
  static size_t sizes[TINY_MODELS];
  if (!models[which]) {
    const char *path = fuzz_path("tiny.gguf");
    write(path, types[which], which < 4);
    FILE *file = fopen(path, "rb");
    if (!file || posix_memalign((void **)&models[which], 64, 1 << 20)) abort();
    sizes[which] = fread(models[which], 1, 1 << 20, file);
    fclose(file);
    remove(path);
  }
  *size = sizes[which];
  return models[which];
}
