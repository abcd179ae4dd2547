/* Transformer blocks of all kinds (dit__block_kind). */
#ifndef DIT_BLOCK_H
#define DIT_BLOCK_H

#include "lib/nets/pass.h"

/* Appends block `index` of the pass: x becomes block(x). */
void dit__plan_block(const dit__pass *pass, int32_t index);

#endif
