/* Names of tensors in the former and the original layout of the autoencoder. */
#ifndef DIT_CONVERT_NAMES_VAE_H
#define DIT_CONVERT_NAMES_VAE_H

#include "weights/convert/shape/names_parts.h"

dit_status names_canonicalize_vae(names_reader *r);

#endif
