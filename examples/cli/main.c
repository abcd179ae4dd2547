/* dit: makes pictures with a diffusion transformer, on the command line. */
#include <stdio.h>

#include "again.h"
#include "describe.h"
#include "enums.h"
#include "hash.h"
#include "help.h"
#include "interrupt.h"
#include "json.h"
#include "make.h"
#include "message.h"
#include "options.h"
#include "progress.h"
#include "dit_pool.h"
#include "programs/mapped_file.h"
#include "weights/sprites/dit_sprites.h"

static int report_model(const dit_model *model, const dit_info *info, const cli_options *options) {
  json_report report = {.model = model, .info = info, .path = options->model};
  if (options->json)
    json_print(&report);
  else if (options->action == ACTION_INFO)
    describe_model(info);
  else
    describe_classes(model, info);
  return EXIT_OK;
}

static int use_model(const dit_model *model, const cli_options *options, again *again, double open_seconds) {
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  if (options->action != ACTION_MAKE) return report_model(model, &info, options);
  if (!info.has_transformer || !info.has_decoder) {
    return fail(EXIT_FAILED,
                "%s: the model has no %s; dit-convert combines a transformer and an autoencoder in one file",
                options->model, info.has_transformer ? "autoencoder" : "transformer");
  }
  return make_pictures(model, &info, options, again, open_seconds);
}

static int open_and_use(const cli_options *options, again *again) {
  dit_model *model = NULL;
  dit_error error = {0};
  double started = clock_seconds();
  dit_status opened = options->model ? dit_model_open(options->model, &options->run, &model, &error)
                                     : dit_sprites_open(&options->run, &model, &error);
  int status = EXIT_FAILED;
  if (opened == DIT_ERROR_UNSUPPORTED && options->run.isa)
    fail(status, "--isa %s: %s", enum_name(dit_isa_name, options->run.isa), error.message);
  else if (opened != DIT_OK)
    fail(status, "%s", error.message);
  else
    status = use_model(model, options, again, clock_seconds() - started);
  dit_model_close(model);
  return status;
}

static int with_pool(cli_options *options, again *again) {
  dit_pool *pool = dit_pool_open(options->run.threads);
  options->run.threads = dit_pool_threads(pool);
  options->run.user = pool;
  options->run.parallel_for = dit_pool_run;
  int status = open_and_use(options, again);
  dit_pool_close(pool);
  return status;
}

/* The model is checked by its hash before it is opened, as it may be the wrong file. */
static int make_again(cli_options *options) {
  again again;
  uint64_t hash = 0;
  int status = again_read(&again, options);
  if (status != EXIT_OK) return status;
  status = hash_model(options->model, &hash);
  if (status == EXIT_OK) status = again_check_model(&again, options->model, hash);
  if (status == EXIT_OK) status = with_pool(options, &again);
  again_free(&again);
  return status;
}

static int print_version(void) {
  uint32_t version = dit_version();
  printf("dit %u.%u.%u, numerics %d\n", version >> 16, version >> 8 & 255, version & 255, DIT_NUMERICS);
  return EXIT_OK;
}

/* From before anything of the model file is read, it must stay as it is. */
static int with_model(cli_options *options) {
  mapped_file *file = options->model ? mapped_file_watch(options->model) : NULL;
  if (options->model && !file) return fail(EXIT_FAILED, "out of memory");
  int status = options->action == ACTION_MAKE && options->again ? make_again(options) : with_pool(options, NULL);
  mapped_file_forget(file);
  return status;
}

static int act(cli_options *options) {
  switch (options->action) {
    case ACTION_HELP: return help_print(options->topic);
    case ACTION_VERSION: return print_version();
    default: return with_model(options);
  }
}

int main(int argc, char **argv) {
  cli_options options;
  int status = options_parse(argc, argv, &options);
  interrupt_install();
  mapped_file_guard("dit");
  if (status != EXIT_OK) return status;
  status = act(&options);
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  return status ? status : fail(EXIT_FAILED, "standard output: cannot be written");
}
