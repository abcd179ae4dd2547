/* What a model file is going to hold: the geometry of its networks, and where each of its tensors comes from. */
#ifndef DIT_CONVERT_CONTENT_H
#define DIT_CONVERT_CONTENT_H

#include "weights/convert/read/checkpoint.h"
#include "weights/convert/shape/infer.h"
#include "weights/convert/shape/layout.h"
#include "weights/convert/shape/synthetic.h"

/* A tensor and its origin: a checkpoint, the synthetic rule, or (if both are empty) the computed position table. */
typedef struct content_tensor {
  dit__tensor tensor;            /* with its name in the model file */
  const checkpoint_tensor *from; /* NULL: made by rule */
  synthetic_rule rule;
  float *values; /* not NULL: take the place of the origin's, and are freed with the content */
} content_tensor;

typedef struct model_content {
  int has_dit, has_vae;
  int synthetic_dit;     /* 1: the transformer is made by rule, so its classes are known */
  const dit__gguf *file; /* the keys of a model file that is written again; NULL: the model is made of checkpoints */
  int diffusers;         /* 1: that file says dit.forward diffusers */
  transformer_geometry dit;
  autoencoder_geometry vae;
  content_tensor *tensors; /* the transformer's, then the autoencoder's */
  size_t count, dit_count;
} model_content;

/* Adds the network that a checkpoint holds, whose matrices may be rearranged; `s` must live as long as the content. `note` receives what was assumed,
 * `report` what is wrong with which tensors (match_tensors). */
dit_status content_add_checkpoint(model_content *m, checkpoint *s, int network, const infer_hints *hints, char *note,
                                  size_t note_room, char *report, size_t report_room, dit_error *error);
/* Takes everything from a model file, which must be one that the library opens, to be written again; `s` must live as
 * long as the content. */
dit_status content_add_model_file(model_content *m, const checkpoint *s, dit_error *error);
/* Adds a network of synthetic weights (synthetic_parse). */
dit_status content_add_synthetic(model_content *m, const char *text, dit_error *error);
void content_free(model_content *m);

/* Returns the number of parameters of a network, without pos_embed, which is not trained. */
uint64_t content_parameters(const model_content *m, int network);

/* Reads elements first..first+count-1 of a tensor, in row-major order, as float32. */
void content_read(const model_content *m, const content_tensor *t, uint64_t first, uint64_t count, float *out);

#endif
