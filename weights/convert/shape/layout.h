/* What a model is made of: the geometry of a transformer or an autoencoder, and the tensors it implies. Names are the official ones of DiT and, for the autoencoder, the
 * current ones of diffusers' AutoencoderKL (without "vae."). */
#ifndef DIT_LAYOUT_H
#define DIT_LAYOUT_H

#include "weights/convert/read/checkpoint.h"

enum { NETWORK_TRANSFORMER = 1, NETWORK_AUTOENCODER = 2 }; /* the kinds of networks */

enum { LAYOUT_LEVELS = 8, LAYOUT_BLOCKS = 1024 };

typedef struct transformer_geometry {
  int64_t hidden, depth, heads, patch;
  int64_t latent; /* side */
  int64_t in_channels, out_channels;
  int64_t class_rows; /* of the embedding table, the null class included */
  int null_known;     /* a configuration says that one row more than classes is there */
  int64_t mlp;
  double norm_eps; /* of the norm before the MLP in diffusers' forward pass; 0: 1e-5 */
} transformer_geometry;

typedef struct autoencoder_geometry {
  int64_t levels, blocks[LAYOUT_LEVELS];
  int64_t layers, groups, image_channels, latent_channels;
  double scaling_factor;
} autoencoder_geometry;

typedef struct layout_tensor {
  char name[64];
  int rank;
  uint64_t shape[4]; /* slowest first; 1 beyond rank */
} layout_tensor;

uint64_t layout_elements(const layout_tensor *t);

typedef struct layout {
  layout_tensor *tensors; /* in the order of the state dict */
  size_t count, room;
} layout;

/* 0 and a sentence if the numbers make no model. */
int layout_check_dit(const transformer_geometry *g, dit_error *error);
int layout_check_vae(const autoencoder_geometry *g, dit_error *error);

/* Appends the tensors of a geometry that was checked. MEMORY or DIT_OK. */
dit_status layout_dit(const transformer_geometry *g, layout *out, dit_error *error);
dit_status layout_vae(const autoencoder_geometry *g, layout *out, dit_error *error);
void layout_free(layout *l);

/* "DiT-XL/2", or "DiT 192x8x3/2" (hidden, depth, heads, patch) for a geometry without a name. */
void layout_variant(const transformer_geometry *g, char *out, size_t room);

#endif
