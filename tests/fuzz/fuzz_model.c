/* Model files from memory: refused, or described and, if small, run for a while. */
#include <stdlib.h>
#include <string.h>

#include "dit.h"
#include "tests/fuzz/gguf.h"
#include "tests/fuzz/target.h"

enum { MEMORY_LIMIT = 64 << 20, WORK_LIMIT = 1 << 16 };

static void describe(const dit_model *model, const dit_info *info, size_t size) {
  dit_schedule_row rows[4];
  const dit_params params = {.struct_size = sizeof params};
  int32_t count;
  dit_error error;
  for (int32_t i = 0; i < info->label_count; i++) {
    const char *label = dit_model_class_label(model, i);
    if (label && strlen(label) > size) abort();
  }
  dit_model_find_class(model, "potion");
  dit_model_schedule(model, &params, 4, rows, &count, &error);
}

static void run_job(const dit_model *model, uint32_t choice) {
  const dit_params params = {.struct_size = sizeof params,
                             .steps = 2,
                             .sampler = (int32_t)(choice % 4),
                             .generator = (int32_t)(choice >> 2 & 3),
                             .cache_interval = (int32_t)(choice >> 4 & 3)};
  size_t bytes;
  dit_error error;
  dit_job *job;
  if (dit_job_memory(model, &params, &bytes, &error) || dit_job_start(model, &params, &job, &error)) return;
  for (int units = 0; units < 100 && dit_job_advance(job, 0, &error) == DIT_MORE; units++) continue;
  dit_job_end(job);
}

static void run(const uint8_t *data, size_t size) {
  const uint32_t choice = fuzz_crc(data, size);
  const dit_options options = {.struct_size = sizeof options,
                               .threads = 1,
                               .isa = choice & 3 ? 0 : DIT_ISA_SCALAR,
                               .compute = (int32_t)(choice >> 2 & 1),
                               .memory_limit = choice & 8 ? MEMORY_LIMIT : 1 << 16};
  uint8_t *copy = NULL; /* of the exact size, on a boundary of 64 bytes as a mapped file has */
  dit_error error;
  dit_model *model;
  if (posix_memalign((void **)&copy, 64, size + !size)) abort();
  if (size) memcpy(copy, data, size);
  if (dit_model_open_memory(copy, size, &options, &model, &error)) {
    if (!memchr(error.message, 0, sizeof error.message) || !error.message[0]) abort();
    free(copy);
    return;
  }
  dit_info info = {.struct_size = sizeof info};
  if (dit_model_info(model, &info)) abort();
  describe(model, &info, size);
  if (info.parameters < WORK_LIMIT && info.width <= 64 && info.height <= 64) run_job(model, choice >> 8);
  dit_model_close(model);
  free(copy);
}

const fuzz_target fuzz_model = {"model", run, fuzz_mutate_gguf, fuzz_mend_gguf};
