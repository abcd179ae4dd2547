/* dit: pictures from a diffusion transformer, on the command line. */
#include <stdio.h>

#include "describe.h"
#include "interrupt.h"
#include "make.h"
#include "message.h"
#include "options.h"
#include "weights/sprites/dit_sprites.h"

static int use_model(const dit_model *model, const cli_options *options) {
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  if (options->action == ACTION_INFO) return describe_model(&info), EXIT_OK;
  if (options->action == ACTION_LIST) return describe_classes(model, &info), EXIT_OK;
  if (!info.has_transformer || !info.has_decoder) {
    return fail(EXIT_FAILED, "%s: the model has no %s; dit-convert puts a transformer and an autoencoder into one file",
                options->model, info.has_transformer ? "autoencoder" : "transformer");
  }
  return make_pictures(model, &info, options);
}

static int open_and_use(const cli_options *options) {
  dit_model *model = NULL;
  dit_error error = {0};
  dit_status opened = options->model ? dit_model_open(options->model, &options->run, &model, &error)
                                     : dit_sprites_open(&options->run, &model, &error);
  if (opened == DIT_ERROR_UNSUPPORTED && options->run.isa) {
    return fail(EXIT_FAILED, "--isa %s: %s", describe_isa(options->run.isa), error.message);
  }
  if (opened != DIT_OK) return fail(EXIT_FAILED, "%s", error.message);
  int status = use_model(model, options);
  dit_model_close(model);
  return status;
}

static void print_version(void) {
  uint32_t version = dit_version();
  printf("dit %u.%u.%u, numerics %d\n", version >> 16, version >> 8 & 255, version & 255, DIT_NUMERICS);
}

int main(int argc, char **argv) {
  cli_options options;
  int status = options_parse(argc, argv, &options);
  interrupt_install();
  if (status != EXIT_OK) return status;
  if (options.action == ACTION_HELP)
    options_help();
  else if (options.action == ACTION_VERSION)
    print_version();
  else
    status = open_and_use(&options);
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  return status ? status : fail(EXIT_FAILED, "the standard output cannot be written");
}
