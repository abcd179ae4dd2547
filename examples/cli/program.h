/* --reference and --diffusers: pictures as two programs of PyTorch make them from a seed. Both draw their noise for a
 * whole batch at once, so what a picture becomes depends on how many there are and which one it is; here that noise is
 * drawn in their order and handed to the library, picture by picture. */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include "dit.h"

enum { PROGRAM_NONE, PROGRAM_OFFICIAL, PROGRAM_DIFFUSERS }; /* sample.py of the DiT repository; DiTPipeline */
enum { PROGRAM_COLUMNS = 4, PROGRAM_GAP = 2 };              /* of their grid of pictures; pixels around each */

typedef struct program_batch {
  uint64_t seed;
  int32_t size, first; /* pictures of the batch; the first of those to be made */
} program_batch;

/* Returns the name of a program, as the functions of dit.h return those of enums; NULL: there is no such program. */
const char *program_name(int32_t program);

/* Puts the program's defaults where nothing was chosen. EXIT_OK, or EXIT_USAGE after a message. */
int program_defaults(int program, const dit_info *info, dit_params *params);

/* sample.py's own classes, where a model has ImageNet's 1000; NULL elsewhere. */
const char *program_classes(int program, const dit_info *info);

/* The noise of params->count pictures, of parameters that are resolved: [count][C][h][w], and [steps][count][C][h][w]
 * or NULL if no step needs any. Both to be freed. EXIT_OK, or EXIT_FAILED after a message. */
int program_draw(int program, const program_batch *batch, const dit_info *info, const dit_params *params, float **noise,
                 float **step_noise);

#endif
