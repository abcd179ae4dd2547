/* Synthetic weights: every element is a pure function of the tensor's name and the element's index, with the same bits in
 * every program that follows the rule, so that models of full size can be tested without trained weights. */
#ifndef DIT_CONVERT_SYNTHETIC_H
#define DIT_CONVERT_SYNTHETIC_H

#include "weights/convert/shape/layout.h"

typedef struct synthetic_rule {
  uint64_t seed; /* FNV-1a of the name */
  float scale;
  int norm; /* 1: add 1 */
} synthetic_rule;

/* Parses "XL/2:256", "vae", "dit:hidden=80,depth=3,..." or "vae:blocks=32+64,...". *kind becomes the NETWORK_* whose
 * geometry was filled in. Fails with DIT_ERROR_ARGUMENT. */
dit_status synthetic_parse(const char *text, int *kind, transformer_geometry *dit, autoencoder_geometry *vae,
                           dit_error *error);

/* Returns the rule of any tensor except pos_embed. */
synthetic_rule synthetic_rule_of(const dit__tensor *t);
/* Computes elements first..first+count-1, in row-major order. */
void synthetic_read(const synthetic_rule *rule, uint64_t first, uint64_t count, float *out);

/* Computes elements of the sine-cosine table [1][grid*grid][hidden]. The channels of position (row, column) are sin and
 * cos of column * w(j), then of row * w(j), hidden/4 of each, with w(j) = 10000^(-j / (hidden/4)). */
void position_table(int64_t hidden, int64_t grid, uint64_t first, uint64_t count, float *out);

#endif
