/* --again: a picture of ours, made again. Nothing in its text names a file that would be opened. */
#include "again.h"

#include <inttypes.h>
#include <string.h>

#include "message.h"

/* The pictures it was made from are not in it. */
static int check_inputs(const again *a, const cli_options *o) {
  const record *said = &a->said;
  if (said->has_start && !o->start)
    return fail(EXIT_USAGE, "%s: was made from a start picture; give it with -i", a->path);
  if (said->has_mask && !o->mask) return fail(EXIT_USAGE, "%s: was made with a mask; give it with --mask", a->path);
  if (!said->has_start && o->start) return fail(EXIT_USAGE, "-i: %s was made without a start picture", a->path);
  if (!said->has_mask && o->mask) return fail(EXIT_USAGE, "--mask: %s was made without a mask", a->path);
  return EXIT_OK;
}

int again_read(again *a, cli_options *o) {
  memset(a, 0, sizeof *a);
  a->path = o->again;
  int status = png_read(o->again, &a->file);
  if (status == EXIT_OK) status = record_read(o->again, &a->file, &a->said);
  if (status == EXIT_OK) status = check_inputs(a, o);
  if (status != EXIT_OK) return again_free(a), status;
  o->make = a->said.params;
  o->make.seed = a->said.seed;
  o->count = a->said.columns;
  o->program = a->said.program;
  o->scale = a->said.scale;
  o->run.compute = a->said.compute;
  return EXIT_OK;
}

void again_free(again *a) {
  png_free(&a->file);
  record_free(&a->said);
}

int again_check_model(const again *a, const char *model, uint64_t model_hash) {
  const record *said = &a->said;
  uint32_t version = dit_version();
  int status = EXIT_OK;
  if (said->model_hash != model_hash) {
    status = fail(EXIT_DIFFERS,
                  "%s: was made with the model '%s' (fnv1a64:%016" PRIx64 "), and %s is another (fnv1a64:%016" PRIx64
                  "); give the right one with -m",
                  a->path, said->model, said->model_hash, model ? model : "the embedded one", model_hash);
  }
  if (said->numerics != DIT_NUMERICS) {
    status =
        fail(EXIT_DIFFERS, "%s: was made by %s with numerics %d; this is libdit %u.%u.%u with numerics %d", a->path,
             said->software, said->numerics, version >> 16, version >> 8 & 255, version & 255, DIT_NUMERICS);
  }
  return status;
}

int again_check_start(const again *a, uint64_t start_hash, uint64_t mask_hash) {
  int status = EXIT_OK;
  if (a->said.has_start && a->said.start_hash != start_hash)
    status = fail(EXIT_DIFFERS, "%s: was made from another start picture than that of -i", a->path);
  if (a->said.has_mask && a->said.mask_hash != mask_hash)
    status = fail(EXIT_DIFFERS, "%s: was made with another mask than that of --mask", a->path);
  return status;
}

int again_check_pixels(const again *a, const sheet *made) {
  const sheet *old = &a->file.picture;
  size_t area = (size_t)made->width * (size_t)made->height, channels = (size_t)made->channels;
  int same = old->width == made->width && old->height == made->height;
  for (size_t i = 0; i < area && same; i++) {
    same = memcmp(old->pixels + 4 * i, made->pixels + channels * i, channels) == 0;
    if (channels == 3) same &= old->pixels[4 * i + 3] == 255;
  }
  return same ? EXIT_OK : fail(EXIT_DIFFERS, "%s: has other pixels than its text makes; it was changed since", a->path);
}
