/* A small model inside the program: 32x32 RGBA game sprites in 16 classes (see README.md beside this file).
 * Link libdit_sprites beside libdit; a host that brings its own weights needs neither. */
#ifndef DIT_SPRITES_H
#define DIT_SPRITES_H

#include "dit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens the embedded model, as dit_model_open_memory does; its bytes are the program's own. Any thread.
 * Errors: those of dit_model_open_memory. Since version 0.1.0. */
DIT_API dit_status dit_sprites_open(const dit_options *options, dit_model **model, dit_error *error);

/* The bytes of the embedded model file and their number. Any thread. Since version 0.1.0. */
DIT_API const void *dit_sprites_data(size_t *size);

#ifdef __cplusplus
}
#endif
#endif
