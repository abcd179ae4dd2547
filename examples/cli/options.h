/* The command line. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stddef.h>

#include "dit.h"

enum { ACTION_MAKE, ACTION_INFO, ACTION_LIST, ACTION_HELP, ACTION_VERSION };

/* Strings belong to argv. A string is NULL if its option was not given. */
typedef struct cli_options {
  int action;
  int quiet;
  const char *model;   /* a path; NULL: the embedded model */
  const char *classes; /* as given; NULL: all */
  const char *output;  /* a file, a pattern with '%', or "-"; never NULL */
  const char *again;   /* the PNG to make again */
  const char *init_image, *mask;
  const char *mix; /* its first mix_length bytes name class B */
  size_t mix_length;
  const char *topic; /* of the help */
  int show, preview, json, memory, profile, fast, allow_long;
  int program;   /* PYTORCH_*: --reference or --diffusers */
  int32_t count; /* pictures of each class */
  int32_t scale;
  dit_options run;
  dit_params params; /* without arrays */
} cli_options;

/* Returns EXIT_OK, or EXIT_USAGE after a message. */
int options_parse(int argc, char **argv, cli_options *options);

#endif
