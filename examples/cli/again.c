/* --again: makes a picture again that dit made before. The text of the PNG may come from anybody, so it never names a
 * file that is opened: the model, the init image and the mask come from options. */
#include "again.h"

#include <inttypes.h>
#include <string.h>

#include "limits.h"
#include "message.h"
#include "texts.h"

static int check_options(const again *a, const cli_options *o) {
  const record *r = &a->original;
  if (r->has_init_image && !o->init_image)
    return fail(EXIT_USAGE, "%s: was made from an init image; give it with -i", a->path);
  if (r->has_mask && !o->mask) return fail(EXIT_USAGE, "%s: was made with a mask; give it with --mask", a->path);
  if (!r->has_init_image && o->init_image)
    return fail(EXIT_USAGE, "%s: was made without an init image; leave out -i", a->path);
  if (!r->has_mask && o->mask) return fail(EXIT_USAGE, "%s: was made without a mask; leave out --mask", a->path);
  return EXIT_OK;
}

int again_read(again *a, cli_options *o) {
  memset(a, 0, sizeof *a);
  a->path = o->again;
  int status = png_open(o->again, &a->file);
  if (status == EXIT_OK) status = png_read_texts(o->again, &a->file);
  if (status == EXIT_OK) status = texts_read(o->again, &a->file, &a->original);
  if (status == EXIT_OK) status = check_options(a, o);
  if (status != EXIT_OK) return again_free(a), status;
  o->params = a->original.params;
  o->params.seed = a->original.seed;
  o->count = a->original.columns;
  o->program = a->original.program;
  o->scale = a->original.scale;
  o->run.compute = a->original.compute;
  return EXIT_OK;
}

void again_free(again *a) {
  png_free(&a->file);
  record_free(&a->original);
}

int again_check_model(const again *a, const char *model, uint64_t model_hash) {
  const record *r = &a->original;
  uint32_t version = dit_version();
  int status = EXIT_OK;
  if (r->model_hash != model_hash) {
    status = fail(EXIT_DIFFERS,
                  "%s: was made with the model '%s' (fnv1a64:%016" PRIx64 "), but %s is another (fnv1a64:%016" PRIx64
                  "); give the right one with -m",
                  a->path, r->model, r->model_hash, model ? model : "the embedded model", model_hash);
  }
  if (r->numerics != DIT_NUMERICS) {
    status = fail(EXIT_DIFFERS,
                  "%s: was made by %s with numerics %d, but this is libdit %u.%u.%u with numerics %d, whose pictures "
                  "differ",
                  a->path, r->software, r->numerics, version >> 16, version >> 8 & 255, version & 255, DIT_NUMERICS);
  }
  return status;
}

int again_check_inputs(const again *a, uint64_t init_image_hash, uint64_t mask_hash) {
  const record *r = &a->original;
  int status = EXIT_OK;
  if (r->has_init_image && r->init_image_hash != init_image_hash)
    status = fail(EXIT_DIFFERS, "%s: was made from another init image than that of -i", a->path);
  if (r->has_mask && r->mask_hash != mask_hash)
    status = fail(EXIT_DIFFERS, "%s: was made with another mask than that of --mask", a->path);
  return status;
}

int again_check_size(again *a, int32_t width, int32_t height, int allow_long) {
  if (a->file.width == (uint32_t)width && a->file.height == (uint32_t)height) {
    const int status = limits_check_unpacking(allow_long, a->path, a->file.size, png_decode_bytes(&a->file));
    return status == EXIT_OK ? png_decode(a->path, &a->file) : status;
  }
  return fail(EXIT_DIFFERS, "%s: has %u x %u pixels, but its text gives %d x %d; the file was changed", a->path,
              a->file.width, a->file.height, width, height);
}

int again_check_pixels(const again *a, const sheet *made) {
  const sheet *old = &a->file.picture;
  int same = 1;
  size_t area = (size_t)made->width * (size_t)made->height, channels = (size_t)made->channels;
  for (size_t i = 0; i < area && same; i++) {
    same = memcmp(old->pixels + 4 * i, made->pixels + channels * i, channels) == 0;
    if (channels == 3) same &= old->pixels[4 * i + 3] == 255;
  }
  if (same) return EXIT_OK;
  return fail(EXIT_DIFFERS, "%s: its pixels are not those that its text gives; the file was changed", a->path);
}
