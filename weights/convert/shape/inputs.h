/* What the command line names: files, folders and whole pipelines, which are opened here, and their tensors given
 * official names. */
#ifndef DIT_CONVERT_INPUTS_H
#define DIT_CONVERT_INPUTS_H

#include "weights/convert/read/checkpoint.h"
#include "weights/convert/shape/layout.h"
#include "weights/convert/shape/scheduler.h"

enum { MAX_INPUTS = 16 };
enum { INPUT_MODEL_FILE = 3, INPUT_STATISTICS = 4 }; /* beside the kinds of networks */

typedef struct input {
  char *path;
  checkpoint *s;
  int kind;       /* NETWORK_TRANSFORMER, NETWORK_AUTOENCODER, INPUT_MODEL_FILE or INPUT_STATISTICS */
  char note[256]; /* how its names had to be read, or "" */
} input;

typedef struct inputs {
  input list[MAX_INPUTS];
  int count;
  int pipeline; /* 1: a diffusers pipeline is among them */
  int has_schedule;
  schedule schedule; /* the pipeline's */
  char **labels;     /* the pipeline's id2label; "" for a class without a name */
  size_t label_count;
} inputs;

/* Opens what is at `path` and appends it. A pipeline folder is its transformer and its autoencoder. `kind`, if not 0,
 * chooses one of the two, and is what any other input must be. */
dit_status inputs_add(inputs *in, const char *path, int kind, const char *variant, dit_error *error);
/* Finds the statistics of latents among the inputs; NULL: there are none. They need an autoencoder's files beside them. */
dit_status inputs_statistics(const inputs *in, const input **out, dit_error *error);
void inputs_free(inputs *in);

#endif
