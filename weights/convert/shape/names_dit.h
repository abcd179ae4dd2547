/* Names of tensors in diffusers' DiTTransformer2DModel. */
#ifndef DIT_CONVERT_NAMES_DIT_H
#define DIT_CONVERT_NAMES_DIT_H

#include "weights/convert/shape/names_parts.h"

dit_status names_canonicalize_dit(names_reader *r);

#endif
