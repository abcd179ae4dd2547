/* dit-convert makes model files for libdit from trained checkpoints. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dit_pool.h"
#include "lib/core/platform.h"
#include "programs/mapped_file.h"
#include "programs/new_file.h"
#include "weights/convert/check.h"
#include "weights/convert/describe.h"
#include "weights/convert/display.h"
#include "weights/convert/options.h"
#include "weights/convert/shape/content.h"
#include "weights/convert/shape/inputs.h"
#include "weights/convert/write/check_written.h"
#include "weights/convert/write/preview.h"
#include "weights/convert/write/write_model.h"

static int fail(const char *what, const dit_error *error) {
  fprintf(stderr, "dit-convert: %s%s%s\n", what, *what ? ": " : "", error->message);
  return 1;
}

/* Prints "FILE: sentence", unless the sentence begins with the file's name already. */
static int fail_on(const char *path, const dit_error *error) {
  return fail(strncmp(error->message, path, strlen(path)) ? path : "", error);
}

/* ---- Input ---- */

static void describe_input(const input *in) {
  char types[64];
  describe_types(in->s, types);
  printf("%s: %s, %d tensors, %s%s%s\n", in->path, in->s->kind, (int)in->s->count, types, *in->note ? "; " : "",
         in->note);
}

static int add_input(model_content *m, const command_line *o, const input *in) {
  char note[256] = "", report[4096] = "";
  dit_error error;
  dit_status status = in->kind == INPUT_MODEL_FILE ? content_add_model_file(m, in->s, &error)
                                                   : content_add_checkpoint(m, in->s, in->kind, &o->options.hints, note,
                                                                            sizeof note, report, sizeof report, &error);
  if (status) {
    fputs(report, stderr);
    return fail_on(in->path, &error);
  }
  if (o->quiet) return 0;
  describe_input(in);
  if (in->kind != INPUT_MODEL_FILE) describe_network(m, &o->options, in->kind);
  if (*note) printf("  %s\n", note);
  if (in->s->diffusers_names && !o->options.forward)
    printf("  assuming Meta's forward pass; weights that were trained with diffusers need --forward diffusers\n");
  return 0;
}

static int add_synthetic(model_content *m, const command_line *o, const char *text) {
  dit_error error;
  int had_dit = m->has_dit;
  if (content_add_synthetic(m, text, &error)) return fail("", &error);
  if (o->quiet) return 0;
  printf("%s: synthetic weights\n", text);
  describe_network(m, &o->options, m->has_dit && !had_dit ? NETWORK_TRANSFORMER : NETWORK_AUTOENCODER);
  return 0;
}

/* Returns whether a specification is an autoencoder's. A malformed one is reported when it is added. */
static int is_vae_text(const char *text) { return strncmp(text, "vae", 3) == 0; }

static int open_inputs(const command_line *o, int first, int end, inputs *in) {
  dit_error error;
  for (int i = first; i < end; i++)
    if (inputs_add(in, o->inputs[i], o->kinds[i], o->variant, &error)) return fail_on(o->inputs[i], &error);
  return 0;
}

/* Takes the statistics of latents, with which the autoencoder is going to be read. */
static int take_statistics(command_line *o, const inputs *in) {
  const input *found;
  dit_error error;
  if (inputs_statistics(in, &found, &error)) return fail("", &error);
  if (!found) return 0;
  if (!o->quiet) printf("%s: mean and deviation of each channel of the latents\n", found->path);
  o->options.hints.statistics = found->s;
  return 0;
}

/* Gathers the tensors of all inputs, the transformer's first. */
static int gather(command_line *o, const inputs *in, model_content *m) {
  int failed = take_statistics(o, in);
  static const int kinds[] = {NETWORK_TRANSFORMER, NETWORK_AUTOENCODER, INPUT_MODEL_FILE};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    const int kind = kinds[k];
    for (int i = 0; i < in->count && !failed; i++)
      if (in->list[i].kind == kind) failed = add_input(m, o, &in->list[i]);
    for (int i = 0; i < o->synthetic_count && !failed; i++)
      if (kind == (is_vae_text(o->synthetic[i]) ? NETWORK_AUTOENCODER : NETWORK_TRANSFORMER))
        failed = add_synthetic(m, o, o->synthetic[i]);
  }
  return failed;
}

/* Completes the options of the command line by what a pipeline says. */
static int complete_options(command_line *o, const inputs *in, schedule *from_file) {
  convert_options *options = &o->options;
  dit_error error;
  if (options_read_labels(o, &error)) return fail("", &error);
  options->pipeline = in->pipeline;
  if (in->has_schedule) options->schedule = &in->schedule;
  if (o->scheduler_path) {
    if (scheduler_open(o->scheduler_path, from_file, &error)) return fail_on(o->scheduler_path, &error);
    options->schedule = from_file;
  }
  if (!options->label_count && !options->no_labels) {
    options->labels = (const char *const *)in->labels;
    options->label_count = in->label_count;
  }
  return 0;
}

/* ---- Output ---- */

/* Writes the model to `path`, which may be another name than the one that the user gave. */
static int write_file(const command_line *o, const model_content *m, const char *path) {
  display shown;
  progress watch = display_start(&shown, "writing", "MB", 1e6, o->quiet);
  uint64_t bytes = 0;
  dit_error error;
  dit_status status = model_write(m, &o->options, path, &watch, &bytes, &error);
  display_end(&shown);
  if (status) return fail_on(o->out, &error);
  if (o->quiet) return 0;
  double seconds = (double)(dit__clock() - shown.start) / 1e6;
  if (o->options.license)
    printf("licence of the weights: %s\n", o->options.license);
  else if (!m->file)
    printf("licence of the weights: not stated (give --license TEXT)\n");
  printf("wrote %s: %s, %.2f MB in %.1f s\n", o->out,
         m->file && !o->options.type ? "types as they were"
                                     : dit_type_name(o->options.type ? o->options.type : DIT_TYPE_F16),
         (double)bytes / 1e6, seconds);
  return 0;
}

static int fit_preview(const command_line *o, const char *path, const char *out) {
  display shown;
  progress watch = display_start(&shown, "decoding random latents", "pictures", 1, o->quiet);
  double rms = 0;
  dit_error error;
  dit_pool *pool = dit_pool_open(0);
  const dit_options options = {
      .struct_size = sizeof options, .threads = dit_pool_threads(pool), .user = pool, .parallel_for = dit_pool_run};
  dit_status status = preview_fit(path, out, &options, o->allow_long, &watch, &rms, &error);
  dit_pool_close(pool);
  display_end(&shown);
  if (status) return fail_on(out, &error);
  if (!o->quiet) printf("fitted the preview of %s: root mean square error %.3f, with pixels of -1 to 1\n", out, rms);
  return 0;
}

/* Fitting needs a model file to decode with: the model is written under another name first, so that only the finished
 * file gets its own. */
static int write_with_preview(const command_line *o, const model_content *m) {
  new_file first;
  int failed = new_file_open(&first, o->out) != 0;
  if (failed) {
    fprintf(stderr, "dit-convert: %s: cannot be written: %s\n", o->out, strerror(errno));
  } else {
    fclose(first.file);
    first.file = NULL;
    failed = write_file(o, m, first.temporary);
    if (!failed) failed = fit_preview(o, first.temporary, o->out);
  }
  new_file_end(&first);
  return failed;
}

static int convert(command_line *o) {
  inputs in;
  model_content m;
  schedule from_file;
  memset(&in, 0, sizeof in);
  memset(&m, 0, sizeof m);
  int failed = open_inputs(o, 0, o->input_count, &in);
  if (!failed) failed = gather(o, &in, &m);
  if (!failed) failed = complete_options(o, &in, &from_file);
  if (!failed && o->fit_preview && !m.has_vae) {
    fprintf(stderr, "dit-convert: --fit-preview needs an autoencoder\n");
    failed = 1;
  }
  if (!failed) failed = o->fit_preview ? write_with_preview(o, &m) : write_file(o, &m, o->out);
  o->options.schedule = NULL; /* one of those that end here */
  content_free(&m);
  inputs_free(&in);
  return failed;
}

/* ---- Comparing ---- */

/* Returns 0 if both have the same tensors, whatever their types. */
static int report_check(const command_line *o, const check_result *r) {
  size_t odd = r->only_a + r->only_b + r->misshapen;
  if (odd)
    fprintf(stderr, "dit-convert: of the tensors, %zu are only in %s, %zu only in %s, %zu have two shapes: %s\n",
            r->only_a, o->inputs[0], r->only_b, o->inputs[1], r->misshapen, r->first_odd);
  if (!o->quiet && r->compared && r->equal == r->compared)
    printf("%zu tensors, all equal\n", r->compared);
  else if (!o->quiet && r->compared)
    printf("%zu tensors, %zu equal; largest relative error %.3g, of %s\n", r->compared, r->equal, r->worst,
           r->worst_name);
  return odd || !r->compared;
}

static int check(const command_line *o) {
  inputs a, b;
  check_result result;
  display shown;
  dit_error error;
  memset(&a, 0, sizeof a);
  memset(&b, 0, sizeof b);
  int failed = open_inputs(o, 0, 1, &a);
  if (!failed) failed = open_inputs(o, 1, 2, &b);
  if (!failed) {
    progress watch = display_start(&shown, "comparing", "M", 1e6, o->quiet);
    dit_status status = check_files(&a, &b, &watch, &result, &error);
    if (!status) status = check_unchanged(&error);
    display_end(&shown);
    failed = status ? fail("", &error) : report_check(o, &result);
  }
  inputs_free(&a);
  inputs_free(&b);
  return failed;
}

/* Returns whether the only input is a model file. */
static int is_model_file(const command_line *o) {
  dit__file file;
  if (o->input_count != 1 || o->synthetic_count) return 0;
  if (dit__file_open(o->inputs[0], DIT_LOAD_MAP, NULL, &file, NULL)) return 0;
  int is = file.size >= 4 && memcmp(file.bytes, "GGUF", 4) == 0;
  dit__file_close(&file, NULL);
  return is;
}

/* Returns the exit status: failed, unless all that was printed arrives. */
static int flush_output(int failed) {
  if (!fflush(stdout) && !ferror(stdout)) return failed;
  fprintf(stderr, "dit-convert: standard output: cannot be written\n");
  return failed ? failed : 1;
}

int main(int count, char **arguments) {
  command_line o;
  dit_error error;
  if (options_read(count, arguments, &o, &error)) {
    fail("", &error);
    return 2;
  }
  if (o.help || o.version) {
    if (o.help)
      fputs(options_help, stdout);
    else
      printf("dit-convert %d.%d.%d\n", DIT_VERSION >> 16, DIT_VERSION >> 8 & 255, DIT_VERSION & 255);
    return flush_output(0);
  }
  display_catch_signals();
  mapped_file_guard("dit-convert");
  int failed;
  if (o.check) {
    failed = check(&o);
  } else if (o.fit_preview && !o.out && is_model_file(&o)) {
    failed = fit_preview(&o, o.inputs[0], o.inputs[0]);
  } else if (!o.out) {
    fprintf(stderr, "dit-convert: %s: not a model file; give -o FILE to convert it\n", o.inputs[0]);
    failed = 2;
  } else {
    failed = convert(&o);
  }
  options_free(&o);
  return flush_output(display_exit_status(failed));
}
