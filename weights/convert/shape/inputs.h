/* What the command line names: files, folders and whole pipelines, opened, with official names, and recognised. */
#ifndef DIT_INPUTS_H
#define DIT_INPUTS_H

#include "weights/convert/shape/scheduler.h"
#include "weights/convert/read/checkpoint.h"
#include "weights/convert/shape/synthetic.h"

enum { INPUTS_MOST = 16, INPUT_MODEL_FILE = SYNTHETIC_VAE + 1 };

typedef struct input {
  char *path;
  source *s;
  int kind;       /* SYNTHETIC_DIT, SYNTHETIC_VAE or INPUT_MODEL_FILE */
  char note[256]; /* how its names had to be read, or "" */
} input;

typedef struct inputs {
  input list[INPUTS_MOST];
  int count;
  int pipeline; /* a diffusers pipeline is among them */
  int has_schedule;
  schedule schedule; /* the pipeline's */
  char **labels;     /* the pipeline's id2label; "" for a class without a name */
  size_t label_count;
} inputs;

/* Opens what is at `path` and appends it. A pipeline folder counts as its transformer and its autoencoder; kind, if not
 * 0, chooses one, and is what any other input must be. */
dit_status inputs_add(inputs *in, const char *path, int kind, const char *variant, dit_error *error);
void inputs_free(inputs *in);

#endif
