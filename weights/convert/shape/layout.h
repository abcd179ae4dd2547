/* The geometry of a network, and the tensors it implies, by lib/model's lists. */
#ifndef DIT_CONVERT_LAYOUT_H
#define DIT_CONVERT_LAYOUT_H

#include "lib/model/tensor_list.h"
#include "weights/convert/shape/families.h"

enum { NETWORK_TRANSFORMER = 1, NETWORK_AUTOENCODER = 2 }; /* the kinds of networks */

enum { MAX_BLOCKS = 1024 }; /* whose names are known; the library runs DIT__MAX_DEPTH of them */

typedef struct transformer_geometry {
  int64_t hidden, depth, heads, patch;
  int64_t latent; /* side */
  int64_t in_channels, out_channels;
  int64_t class_rows; /* of the label table, the null class included */
  int null_known;     /* 1: a configuration says that the table has one row more than there are classes */
  int64_t mlp;
  dit__block_kind block_kind;
  dit__norm_kind norm;
  dit__mlp_kind mlp_kind;
  dit__qk_norm qk_norm;
  const family *family;
  int64_t bottleneck, context, context_block; /* see dit__transformer */
  int64_t second_block;                       /* from which on the second time counts, with DIT__SECOND_TIME_END */
  double norm_eps;                            /* of the norm before the MLP in diffusers' forward pass; 0: 1e-5 */
} transformer_geometry;

typedef struct autoencoder_geometry {
  int64_t levels, blocks[DIT__MAX_VAE_LEVELS]; /* blocks: channels of each level */
  int64_t layers, groups, image_channels, latent_channels;
  int64_t level_attention; /* 1: attention after each resnet of the lowest level */
  double scaling_factor;
} autoencoder_geometry;

/* Return 1, or 0 with a sentence in *error if the library does not run a network of this geometry. */
int layout_check_transformer(const transformer_geometry *g, dit_error *error);
int layout_check_autoencoder(const autoencoder_geometry *g, dit_error *error);

typedef struct layout {
  dit__tensor *tensors; /* in the order of the model file */
  size_t count, room;
} layout;

/* Append the tensors of a geometry that was checked, or of networks as lib/model describes them. */
dit_status layout_transformer(const transformer_geometry *g, layout *out, dit_error *error);
dit_status layout_autoencoder(const autoencoder_geometry *g, layout *out, dit_error *error);
dit_status layout_networks(dit__transformer *dit, dit__vae *vae, layout *out, dit_error *error);
void layout_free(layout *l);

/* Returns the name that a tensor has in a checkpoint of its network alone: without "vae.". */
const char *layout_own_name(const dit__tensor *t);

#endif
