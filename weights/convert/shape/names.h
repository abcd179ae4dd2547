/* The names that checkpoints give to tensors, brought to the official ones of DiT and the current ones of diffusers'
 * AutoencoderKL. */
#ifndef DIT_CONVERT_NAMES_H
#define DIT_CONVERT_NAMES_H

#include "weights/convert/read/checkpoint.h"

/* Renames, joins and drops tensors of a checkpoint, in place. It knows
 *  - prefixes (module., _orig_mod., ema_model., first_stage_model. ...), and drops tensors without that of the network;
 *  - diffusers' DiTTransformer2DModel, where to_q, to_k and to_v are joined to qkv, and the embedders of all blocks,
 *    which must be equal, become one;
 *  - AutoencoderKL with the former names of its attention (query, key, value, proj_attn);
 *  - the original autoencoder of CompVis, whose attention has 1x1 convolutions.
 * Other names stay as they are. `note` receives what was found, or "". */
dit_status names_canonicalize(checkpoint *s, char *note, size_t room, dit_error *error);

#endif
