/* The kinds of transformer blocks, each in a file of its own: block_NAME.c. */
#ifndef DIT_BLOCKS_H
#define DIT_BLOCKS_H

#include "lib/nets/pass.h"

/* Appends block `index` of the pass: x becomes block(x). */
typedef void dit__block_add(const dit__pass *pass, int32_t index);

dit__block_add dit__block_adaln_zero;

#endif
