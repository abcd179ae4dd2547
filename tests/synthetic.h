/* Models with synthetic weights, made for a test and deleted with it. */
#ifndef DIT_TEST_SYNTHETIC_H
#define DIT_TEST_SYNTHETIC_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dit.h"
#include "weights/convert/shape/content.h"
#include "weights/convert/write/write_model.h"

/* Takes the place of the C library's: a test that writes thousands of models need not wait until each would outlive a
 * power cut. */
int fsync(int descriptor);
int fsync(int descriptor) { return (void)descriptor, 0; }

/* Writes the model of one or two specifications (NULL: no second) to `path`; 1 if it worked. */
static int synthetic_write(const char *path, const char *first, const char *second, const convert_options *options) {
  model_content m;
  dit_error error = {0};
  memset(&m, 0, sizeof m);
  dit_status status = content_add_synthetic(&m, first, &error);
  if (!status && second) status = content_add_synthetic(&m, second, &error);
  if (!status) status = model_write(&m, options, path, NULL, NULL, &error);
  if (status) printf("  %s: %s\n", first, error.message);
  content_free(&m);
  return !status;
}

/* Likewise, with weights of `type`. */
#if defined(__GNUC__)
__attribute__((unused))
#endif
static int
synthetic_file(const char *path, const char *first, const char *second, int type) {
  convert_options options;
  memset(&options, 0, sizeof options);
  options.type = type;
  options.guidance = -1;
  return synthetic_write(path, first, second, &options);
}

/* A path for a temporary file in the folder of $DIT_TMP, or /tmp. */
#if defined(__GNUC__)
__attribute__((unused))
#endif
static const char *
synthetic_path(char *path, size_t size, const char *name) {
  const char *folder = getenv("DIT_TMP");
  snprintf(path, size, "%s/dit-test-%s-%p.gguf", folder && *folder ? folder : "/tmp", name, (void *)path);
  return path;
}

#endif
