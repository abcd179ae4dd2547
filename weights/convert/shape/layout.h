/* What a model is made of: the geometry of a transformer or an autoencoder, the tensors it implies, and the way back
 * from the tensors of a checkpoint to the geometry. Names are the official ones of DiT and, for the autoencoder, the
 * current ones of diffusers' AutoencoderKL (without "vae."). */
#ifndef DIT_LAYOUT_H
#define DIT_LAYOUT_H

#include "weights/convert/read/checkpoint.h"

enum { LAYOUT_LEVELS = 8, LAYOUT_BLOCKS = 1024 };

typedef struct dit_geometry {
  int64_t hidden, depth, heads, patch;
  int64_t latent; /* side */
  int64_t in_channels, out_channels;
  int64_t class_rows; /* of the embedding table, the null class included */
  int null_known;     /* a configuration says that one row more than classes is there */
  int64_t mlp;
  double norm_eps; /* of the norm before the MLP in diffusers' forward pass; 0: 1e-5 */
} dit_geometry;

typedef struct vae_geometry {
  int64_t levels, blocks[LAYOUT_LEVELS];
  int64_t layers, groups, image_channels, latent_channels;
  double scaling_factor;
} vae_geometry;

typedef struct layout_tensor {
  char name[64];
  int rank;
  uint64_t shape[4]; /* slowest first; 1 beyond rank */
} layout_tensor;

typedef struct layout {
  layout_tensor *tensors; /* in the order of the state dict */
  size_t count, room;
} layout;

/* What the caller knows beyond the tensors; 0: nothing. */
typedef struct layout_hints {
  int64_t heads, groups, latent;
  double scaling_factor;
} layout_hints;

/* 0 and a sentence if the numbers make no model. */
int layout_check_dit(const dit_geometry *g, dit_error *error);
int layout_check_vae(const vae_geometry *g, dit_error *error);

/* Appends the tensors of a geometry that was checked. MEMORY or DIT_OK. */
dit_status layout_dit(const dit_geometry *g, layout *out, dit_error *error);
dit_status layout_vae(const vae_geometry *g, layout *out, dit_error *error);
void layout_free(layout *l);

/* The geometry behind the shapes of a checkpoint (and its config.json). `note` receives what had to be assumed, or "".
 */
dit_status layout_deduce_dit(const source *s, const layout_hints *hints, dit_geometry *g, char *note, size_t room,
                             dit_error *error);
dit_status layout_deduce_vae(const source *s, const layout_hints *hints, vae_geometry *g, char *note, size_t room,
                             dit_error *error);

/* Finds the tensors expected[0..count-1] in a checkpoint. found[i] is NULL only for pos_embed, which can be computed.
 * If any other is missing, surplus or of the wrong shape: FORMAT, and `report` names up to ten of them, a line each. */
dit_status layout_match(const layout_tensor *expected, size_t count, const source *s, const source_tensor **found,
                        char *report, size_t room, dit_error *error);

const source_tensor *layout_find(const source *s, const char *name); /* NULL: none */

/* "DiT-XL/2", or "DiT 192x8x3/2" (hidden, depth, heads, patch) for a geometry without a name. */
void layout_variant(const dit_geometry *g, char *out, size_t room);

#endif
