/* --reference and --diffusers: the pictures that two PyTorch programs make of a seed. Both draw noise for a whole batch
 * at once, so a picture depends on the size of its batch and on its index in it. The noise is drawn here in their order,
 * and given to the library picture by picture. */
#ifndef CLI_PYTORCH_H
#define CLI_PYTORCH_H

#include "dit.h"

enum {
  PYTORCH_NONE,
  PYTORCH_OFFICIAL,  /* sample.py of the DiT repository */
  PYTORCH_DIFFUSERS, /* DiTPipeline of diffusers */
};
enum { PYTORCH_COLUMNS = 4, PYTORCH_GAP = 2 }; /* their grid: pictures in a row, pixels around each picture */

typedef struct pytorch_batch {
  uint64_t seed;
  int32_t size, first; /* pictures in the batch; index of the first one to make */
} pytorch_batch;

/* Returns the name of a program, or NULL if there is no such program (an enum_names). */
const char *pytorch_name(int32_t program);

/* Puts the program's defaults where `params` has none. Returns EXIT_OK, or EXIT_USAGE after a message. */
int pytorch_defaults(int program, const dit_info *info, dit_params *params);

/* Returns the default classes of sample.py for a model with the 1000 classes of ImageNet, or else NULL. */
const char *pytorch_classes(int program, const dit_info *info);

/* Draws the noise of params->count pictures, [count][C][h][w], and of their steps, [steps][count][C][h][w] (NULL if no
 * step needs any). `params` must be resolved; the caller frees both. Returns EXIT_OK, or EXIT_FAILED after a message. */
int pytorch_draw(int program, const pytorch_batch *batch, const dit_info *info, const dit_params *params, float **noise,
                 float **step_noise);

#endif
