#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "weights/convert/check.h"
#include "weights/convert/shape/inputs.h"
#include "weights/convert/write/preview.h"
#include "weights/convert/write/write_model.h"

enum { MOST_BYTES = 4 << 20 }; /* of a file that is written */

static int stop_early(void *user, uint64_t done, uint64_t total) {
  (void)user, (void)done;
  return total > MOST_BYTES;
}

static const progress watch = {stop_early, NULL};

static convert_options choose_options(uint32_t choice) {
  static const char *const families[8] = {NULL, "sit", "repa", "dmf", "soflow", "lightningdit", "facm", "jit"};
  static const int types[] = {0, DIT_TYPE_F32, DIT_TYPE_F16, DIT_TYPE_BF16, DIT_TYPE_Q8, DIT_TYPE_Q4};
  convert_options o;
  memset(&o, 0, sizeof o);
  o.type = types[choice % 6];
  o.guidance = choice & 256 ? -1 : 3;
  o.forward = choice & 512 ? FORWARD_DIFFUSERS : 0;
  o.null_class = (null_class_option)(choice >> 10 & 3) % 3;
  o.hints.heads = (choice >> 12 & 7) > 1 ? 1 : 2 * (choice >> 12 & 1);
  o.hints.groups = choice >> 15 & 7 ? 4 : 0;
  o.hints.family = choice >> 18 & 3 ? "dit" : families[choice >> 20 & 7];
  return o;
}

static dit_status gather(const inputs *in, const convert_options *o, model_content *m, dit_error *error) {
  static const int kinds[] = {NETWORK_TRANSFORMER, NETWORK_AUTOENCODER, INPUT_MODEL_FILE};
  char note[256], report[4096];
  dit_status status = DIT_OK;
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < in->count && !status; i++) {
      if (in->list[i].kind != kinds[k]) continue;
      if (kinds[k] == INPUT_MODEL_FILE)
        status = content_add_model_file(m, in->list[i].s, error);
      else
        status = content_add_checkpoint(m, in->list[i].s, kinds[k], &o->hints, note, sizeof note, report, sizeof report,
                                        error);
    }
  return status;
}

/* What was written has all tensors of what was read, and dit_model_open takes it. */
static void check_written_file(const char *out, const inputs *in) {
  const dit_options options = {.struct_size = sizeof options, .threads = 1};
  inputs again;
  check_result result;
  dit_error error;
  dit_model *model;
  memset(&again, 0, sizeof again);
  if (dit_model_open(out, &options, &model, &error)) {
    fprintf(stderr, "what was written does not open: %s\n", error.message);
    abort();
  }
  dit_model_close(model);
  if (inputs_add(&again, out, 0, NULL, &error)) {
    fprintf(stderr, "what was written cannot be read: %s\n", error.message);
    abort();
  }
  check_files(in, &again, &watch, &result, &error);
  fuzz_written++;
  inputs_free(&again);
}

unsigned fuzz_written;

void fuzz_convert(const char *path, uint32_t choice) {
  convert_options options = choose_options(choice);
  const char *out = fuzz_path("out.gguf");
  inputs in;
  model_content m;
  dit_error error;
  double rms;
  memset(&in, 0, sizeof in);
  memset(&m, 0, sizeof m);
  dit_status status = inputs_add(&in, path, 0, NULL, &error);
  if (!status) status = gather(&in, &options, &m, &error);
  options.pipeline = in.pipeline;
  if (in.has_schedule) options.schedule = &in.schedule;
  options.labels = (const char *const *)in.labels;
  options.label_count = in.label_count;
  if (!status) status = model_write(&m, &options, out, &watch, NULL, &error);
  if (!status) check_written_file(out, &in);
  if (!status && m.has_vae && (choice >> 16) % 64 == 0) preview_fit(out, out, NULL, 0, &watch, &rms, &error);
  if (getenv("FUZZ_SAY")) fprintf(stderr, "%s: %s\n", path, status ? error.message : "written");
  if (status && (!memchr(error.message, 0, sizeof error.message) || !error.message[0])) abort();
  remove(out);
  content_free(&m);
  inputs_free(&in);
}
