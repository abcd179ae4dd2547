/* The command line of dit-convert. */
#ifndef DIT_CONVERT_OPTIONS_H
#define DIT_CONVERT_OPTIONS_H

#include "weights/convert/write/convert_options.h"

enum { MAX_OPTION_INPUTS = 8 };

typedef struct command_line {
  const char *inputs[MAX_OPTION_INPUTS]; /* files and folders */
  int kinds[MAX_OPTION_INPUTS];          /* NETWORK_*, from --dit or --vae; 0: to be inferred */
  int input_count;
  const char *synthetic[MAX_OPTION_INPUTS];
  int synthetic_count;
  const char *out;
  const char *labels_path, *scheduler_path, *variant;
  int fit_preview, allow_long, check, quiet, help, version;
  convert_options options;
  char *labels_text; /* the file of labels, cut into lines */
  const char **labels;
} command_line;

/* Reads the command line. Fails with DIT_ERROR_ARGUMENT. */
dit_status options_read(int count, char **arguments, command_line *o, dit_error *error);
/* Reads the file of labels, if --labels names one: UTF-8, one label on each line. */
dit_status options_read_labels(command_line *o, dit_error *error);
void options_free(command_line *o);
extern const char options_help[];

#endif
