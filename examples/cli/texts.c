/* What a PNG says about itself: all it takes to make it again. */
#include "texts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "describe.h"
#include "message.h"

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static int
add(texts *t, const char *key, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *value = length < 0 ? NULL : (char *)malloc((size_t)length + 1);
  if (!value) return fail(EXIT_FAILED, "out of memory");
  va_start(arguments, format);
  vsnprintf(value, (size_t)length + 1, format, arguments);
  va_end(arguments);
  t->items[t->count].key = key;
  t->items[t->count++].value = value;
  return EXIT_OK;
}

/* The classes of a row of pictures each once, with commas. */
static int add_classes(texts *t, const dit_model *model, const int32_t *classes, int32_t count) {
  char number[16], *value = NULL;
  size_t length = 0;
  for (int pass = 0; pass < 2; pass++) { /* measure, then write */
    if (pass == 1 && !(value = (char *)malloc(length + 1))) return fail(EXIT_FAILED, "out of memory");
    length = 0;
    for (int32_t i = 0; i < count; i++) {
      if (i > 0 && classes[i] == classes[i - 1]) continue;
      const char *name = class_name(model, classes[i], number);
      size_t size = strlen(name), comma = i > 0 ? 2 : 0;
      if (value) memcpy(value + length, ", ", comma), memcpy(value + length + comma, name, size);
      length += comma + size;
    }
  }
  value[length] = 0;
  t->items[t->count].key = "Class";
  t->items[t->count++].value = value;
  return EXIT_OK;
}

static int add_seeds(texts *t, const uint64_t *seeds, int32_t count) {
  uint64_t last = seeds[count - 1];
  if (last == seeds[0]) return add(t, "Seed", "%" PRIu64, last);
  return add(t, "Seed", "%" PRIu64 " to %" PRIu64, seeds[0], last);
}

static int add_model(texts *t, const dit_info *info, const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  const char *file = slash ? slash + 1 : path ? path : "embedded";
  int status = add(t, "Model", "%s", *info->name ? info->name : file);
  if (status == EXIT_OK && *info->license) status = add(t, "License", "%s", info->license);
  return status;
}

static int add_sampling(texts *t, const dit_params *p) {
  int status = add(t, "Steps", "%d", p->steps);
  if (status == EXIT_OK) status = add(t, "Sampler", "%s", describe_sampler(p->sampler));
  if (status == EXIT_OK && p->sampler == DIT_SAMPLER_DDIM) status = add(t, "Eta", "%.9g", (double)p->eta);
  if (status == EXIT_OK) status = add(t, "Guidance", "%.9g", (double)p->guidance);
  if (status != EXIT_OK) return status;
  return p->guidance_channels < 0 ? add(t, "Guidance channels", "all")
                                  : add(t, "Guidance channels", "%d", p->guidance_channels);
}

int texts_make(texts *t, const dit_model *model, const dit_info *info, const dit_params *params, const char *path,
               int32_t first, int32_t count) {
  uint32_t version = dit_version();
  t->count = 0;
  int status = add(t, "Software", "libdit %u.%u.%u", version >> 16, version >> 8 & 255, version & 255);
  if (status == EXIT_OK) status = add_model(t, info, path);
  if (status == EXIT_OK) status = add_classes(t, model, params->classes + first, count);
  if (status == EXIT_OK) status = add_seeds(t, params->seeds + first, count);
  if (status == EXIT_OK) status = add_sampling(t, params);
  if (status == EXIT_OK) status = add(t, "Size", "%dx%d", params->width, params->height);
  if (status == EXIT_OK) status = add(t, "Compute", "%s", describe_compute(info->compute));
  if (status == EXIT_OK) status = add(t, "DIT_NUMERICS", "%d", info->numerics);
  if (status != EXIT_OK) texts_free(t);
  return status;
}

void texts_free(texts *t) {
  for (int i = 0; i < t->count; i++) free(t->items[i].value);
  t->count = 0;
}
