/* The kinds of transformer blocks. lib/nets has a file for each, block_NAME.c. */
#ifndef DIT_BLOCK_KIND_H
#define DIT_BLOCK_KIND_H

#include <stddef.h>
#include <stdint.h>

typedef enum dit__block_kind {
  DIT__BLOCK_ADALN_ZERO = 0 /* of files without the key dit.block */
} dit__block_kind;

/* Returns the words of the key dit.block, which end with NULL. */
static inline const char *const *dit__block_words(void) {
  static const char *const words[] = {[DIT__BLOCK_ADALN_ZERO] = "adaln_zero", NULL};
  return words;
}

/* Returns the number of chunks that the modulation of one block consists of. A chunk is one number for each channel. */
static inline int32_t dit__block_chunks(dit__block_kind kind) {
  static const int32_t chunks[] = {[DIT__BLOCK_ADALN_ZERO] = 6};
  return chunks[kind];
}

#endif
