/* Synthetic weights: every element is a pure function of the tensor's name and the element's index, the same bits in
 * every program that follows the rule, so that full-size models can be tested without anybody's weights. */
#ifndef DIT_CONVERT_SYNTHETIC_H
#define DIT_CONVERT_SYNTHETIC_H

#include "weights/convert/shape/layout.h"

typedef struct synthetic_rule {
  uint64_t seed; /* FNV-1a of the name */
  float scale;
  int norm; /* 1 is added */
} synthetic_rule;

/* Reads "XL/2:256", "vae", "dit:hidden=80,depth=3,..." or "vae:blocks=32+64,...". *kind says which geometry was
 * filled in. On failure ARGUMENT and a sentence. */
dit_status synthetic_parse(const char *text, int *kind, transformer_geometry *dit, autoencoder_geometry *vae,
                           dit_error *error);

/* The rule of a tensor, by its name in the model file ("vae." included). Not for pos_embed. */
synthetic_rule synthetic_rule_of(const dit__tensor *t);
/* Elements first..first+count-1, row-major. */
void synthetic_read(const synthetic_rule *rule, uint64_t first, uint64_t count, float *out);

/* Elements of the sine-cosine table [1][grid*grid][hidden]: for position (row, column), channels are sin and cos of
 * column * w(j), then of row * w(j), hidden/4 of each, w(j) = 10000^(-j / (hidden/4)). */
void position_table(int64_t hidden, int64_t grid, uint64_t first, uint64_t count, float *out);

#endif
