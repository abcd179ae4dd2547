/* libFuzzer: a model file from a stranger. It must be refused or work; a small one also makes a picture.
 * tests/fuzz/run.sh builds and runs it. */
#include <stdlib.h>
#include <string.h>

#include "dit.h"

enum { MEMORY_LIMIT = 64 << 20, WORK_LIMIT = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const dit_options options = {.struct_size = sizeof options, .threads = 1, .memory_limit = MEMORY_LIMIT};
  dit_error error;
  dit_model *model;
  dit_job *job;
  if (dit_model_open_memory(data, size, &options, &model, &error)) {
    if (!memchr(error.message, 0, sizeof error.message) || !error.message[0]) abort();
    return 0;
  }
  dit_info info = {.struct_size = sizeof info};
  if (dit_model_info(model, &info)) abort();
  for (int32_t i = 0; i < info.label_count; i++) {
    const char *label = dit_model_class_label(model, i);
    if (label && strlen(label) > size) abort();
  }
  dit_model_find_class(model, "potion");
  const dit_params params = {.struct_size = sizeof params, .steps = 2};
  size_t bytes;
  if (info.parameters < WORK_LIMIT && info.width <= 64 && info.height <= 64 &&
      !dit_job_memory(model, &params, &bytes, &error) && !dit_job_start(model, &params, &job, &error)) {
    for (int units = 0; units < 50 && dit_job_advance(job, 0, &error) == DIT_MORE; units++) continue;
    dit_job_end(job);
  }
  dit_model_close(model);
  return 0;
}
