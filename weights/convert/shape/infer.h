/* From the tensors of a checkpoint back to the geometry of its network. */
#ifndef DIT_CONVERT_INFER_H
#define DIT_CONVERT_INFER_H

#include "weights/convert/read/checkpoint.h"
#include "weights/convert/shape/layout.h"

/* What the caller knows beyond the tensors; 0: nothing. */
typedef struct infer_hints {
  int64_t heads, groups, latent;
  const char *family;                  /* a name of --family */
  int64_t second_block, context_block; /* of DMF, of JiT: 1 more than given; 0: not given */
  double scaling_factor;
  const checkpoint *statistics; /* of latents (statistics.h), or NULL */
} infer_hints;

/* Returns which network a checkpoint holds, by its tensors: NETWORK_TRANSFORMER, NETWORK_AUTOENCODER, or 0 with a
 * sentence in *error. */
int infer_network(const checkpoint *s, dit_error *error);

/* Infers the geometry from the shapes of a checkpoint, and from its config.json if it has one. `note` receives what had
 * to be assumed, or "". */
dit_status infer_transformer(const checkpoint *s, const infer_hints *hints, transformer_geometry *g, char *note,
                             size_t room, dit_error *error);
dit_status infer_autoencoder(const checkpoint *s, const infer_hints *hints, autoencoder_geometry *g, char *note,
                             size_t room, dit_error *error);

#endif
