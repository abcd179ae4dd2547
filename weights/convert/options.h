/* The command line of dit-convert. */
#ifndef DIT_OPTIONS_H
#define DIT_OPTIONS_H

#include "weights/convert/shape/gather.h"

enum { OPTIONS_INPUTS = 8 };

typedef struct options {
  const char *inputs[OPTIONS_INPUTS]; /* files and folders */
  int kinds[OPTIONS_INPUTS];          /* what --dit or --vae said they are (SYNTHETIC_*); 0: to be recognised */
  int input_count;
  const char *synthetic[OPTIONS_INPUTS];
  int synthetic_count;
  const char *out;
  const char *labels_path, *scheduler_path, *variant;
  int fit_preview, check, quiet, help, version;
  model_wishes wishes;
  char *labels_text; /* the file of labels, cut into lines */
  const char **labels;
} options;

/* Reads the command line; on failure ARGUMENT and a sentence. */
dit_status options_read(int count, char **arguments, options *o, dit_error *error);
/* Reads the file of labels, if one is wished: one a line, UTF-8. */
dit_status options_read_labels(options *o, dit_error *error);
void options_free(options *o);
extern const char options_help[];

#endif
