/* The command line: what the user asked for. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stddef.h>

#include "dit.h"

enum { ACTION_MAKE, ACTION_INFO, ACTION_LIST, ACTION_HELP, ACTION_VERSION };

typedef struct cli_options {
  int action;
  int quiet;
  const char *model;   /* a path; NULL: the embedded model */
  const char *classes; /* as given; NULL: all */
  const char *output;  /* a file, a pattern with '%', or "-" */
  const char *again;   /* a PNG of ours to make again; NULL: none, and so below */
  const char *start, *mask;
  const char *mix; /* its first mix_length bytes name a class */
  size_t mix_length;
  const char *topic; /* of the help */
  int show, preview, json, memory, profile, fast;
  int program;   /* PROGRAM_*: of program.h */
  int32_t count; /* pictures of each class */
  int32_t scale;
  dit_options run;
  dit_params make; /* without arrays */
} cli_options;

/* Returns EXIT_OK, or EXIT_USAGE after a message. */
int options_parse(int argc, char **argv, cli_options *options);

#endif
