/* Networks that are not supported, told by a tensor that only they have, so that a message can name them. */
#ifndef DIT_CONVERT_UNSUPPORTED_H
#define DIT_CONVERT_UNSUPPORTED_H

#include "weights/convert/read/checkpoint.h"

/* Fails with UNSUPPORTED, naming the network, if a checkpoint holds one of them. */
dit_status unsupported_check(const checkpoint *s, dit_error *error);

#endif
