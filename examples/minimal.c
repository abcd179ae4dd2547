/* minimal [MODEL [OUTPUT.pam]]: one picture, written as PAM, which keeps the alpha channel and needs no library. */
#include <stdio.h>
#include <stdlib.h>

#include "dit.h"

static int fail(const char *message) { return fprintf(stderr, "minimal: %s\n", message), 1; }

int main(int argc, char **argv) {
  dit_model *model;
  dit_error error;
  if (dit_model_open(argc > 1 ? argv[1] : "weights/sprites/sprites.gguf", NULL, &model, &error) != DIT_OK)
    return fail(error.message);
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  int32_t class_id = dit_model_find_class(model, "potion"); /* dit_generate fails if the model has no potions */
  dit_params params = {.struct_size = sizeof params, .classes = &class_id, .seed = 7};
  size_t size = (size_t)info.width * (size_t)info.height * 4;
  unsigned char *pixels = malloc(size);
  if (!pixels || dit_generate(model, &params, DIT_PIXELS_RGBA, pixels, size, &error) != DIT_OK)
    return fail(pixels ? error.message : "out of memory");
  FILE *file = fopen(argc > 2 ? argv[2] : "picture.pam", "wb");
  if (!file) return fail("the picture cannot be opened for writing");
  fprintf(file, "P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n", info.width, info.height);
  fwrite(pixels, 1, size, file);
  if (ferror(file) || fclose(file)) return fail("the picture could not be written");
  dit_model_close(model);
  free(pixels);
  return 0;
}
