/* A model on its way into a file: what it is, where its tensors come from, what it recommends; and the writing. */
#ifndef DIT_MODEL_FILE_H
#define DIT_MODEL_FILE_H

#include "weights/convert/shape/layout.h"
#include "weights/convert/shape/scheduler.h"
#include "weights/convert/shape/synthetic.h"
#include "weights/convert/write/gguf_write.h"

/* Called now and then with the bytes done and in all; a number other than 0 ends the work. */
typedef struct progress {
  int (*report)(void *user, uint64_t done, uint64_t total);
  void *user;
} progress;

enum { MODEL_FORWARD_OFFICIAL = 1, MODEL_FORWARD_DIFFUSERS = 2 };

/* What the caller wants; 0 or NULL: the defaults. */
typedef struct model_wishes {
  int type; /* DIT_TYPE_*; 0: F16, or what a model file has */
  const char *name, *license;
  int steps;           /* 250; 50 with a schedule */
  const char *sampler; /* "ddpm", or the schedule's */
  const char *spacing; /* the schedule's; "even" for ddpm; for ddim "ddim" where a whole stride makes that many steps */
  double guidance;     /* 4, or 1 without a null class; < 0: the default */
  int guidance_channels;     /* -1: all; 0: 3 of 4, all of fewer, all of a pipeline's */
  int forward;               /* MODEL_FORWARD_*; 0: official */
  int null_class;            /* the last row of the label table is no class ... */
  int no_null_class;         /* ... or every row is one; neither: the last is none, if that is no guess */
  const char *const *labels; /* one a class */
  size_t label_count;
  int no_labels;            /* not even ImageNet's for 1000 classes */
  const schedule *schedule; /* a pipeline's */
  int pipeline;             /* the transformer comes from a pipeline of diffusers */
  layout_hints hints;
} model_wishes;

/* A tensor and its origin: a checkpoint's, the synthetic rule, or (both NULL and 0) the computed position table. */
typedef struct model_tensor {
  layout_tensor shape;       /* with its name in the model file */
  const source_tensor *from; /* NULL: made by rule */
  synthetic_rule rule;
} model_tensor;

typedef struct model {
  int has_dit, has_vae;
  int synthetic_dit;     /* the transformer is made by rule, so that its classes are known */
  const dit__gguf *file; /* the keys of a model file that is written again; NULL: the model is made of checkpoints */
  dit_geometry dit;
  vae_geometry vae;
  model_tensor *tensors; /* the transformer's, then the autoencoder's */
  size_t count, dit_count;
} model;

/* Which of the two a checkpoint holds, by its tensors: SYNTHETIC_DIT, SYNTHETIC_VAE, or 0 and a sentence. */
int model_recognise(const source *s, dit_error *error);

/* Adds what a checkpoint holds; `s` must live as long as the model. `note` says what was assumed, `report` what is
 * wrong with which tensors (layout_match). */
dit_status model_add_source(model *m, const source *s, int kind, const model_wishes *wishes, char *note,
                            size_t note_room, char *report, size_t report_room, dit_error *error);
/* Makes a model file the model, to be written again; `s` must live as long as the model. */
dit_status model_add_file(model *m, const source *s, dit_error *error);
dit_status model_add_synthetic(model *m, const char *text, dit_error *error);
void model_free(model *m);

uint64_t model_parameters(const model *m, int kind); /* pos_embed, which is no parameter, is not counted */
const char *model_type_name(int type);               /* of DIT_TYPE_*: "f16" */

/* Elements of a tensor as float32. */
void model_read(const model *m, const model_tensor *t, uint64_t first, uint64_t count, float *out);

/* Writes the file. `bytes` (NULL is fine) receives its size. Holds a few MB at a time. */
dit_status model_write(const model *m, const model_wishes *wishes, const char *path, const progress *watch,
                       uint64_t *bytes, dit_error *error);

#endif
