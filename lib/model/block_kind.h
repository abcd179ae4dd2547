/* The kinds of transformer blocks: the ways in which timestep and class reach the tokens (Peebles & Xie 2022, section
 * 3.2 and figure 3). lib/nets/block.c adds a block of any kind to a pass by its traits. */
#ifndef DIT_BLOCK_KIND_H
#define DIT_BLOCK_KIND_H

#include <stdint.h>

typedef enum dit__block_kind {
  DIT__BLOCK_ADALN_ZERO = 0, /* of files without the key dit.block */
  DIT__BLOCK_ADALN,
  DIT__BLOCK_IN_CONTEXT,
  DIT__BLOCK_CROSS_ATTENTION,
  DIT__BLOCK_KINDS
} dit__block_kind;

/* Other switches, each a key of the model file. */
typedef enum dit__norm_kind { DIT__NORM_LAYER = 0, DIT__NORM_RMS } dit__norm_kind; /* dit.norm */
typedef enum dit__mlp_kind { DIT__MLP_GELU = 0, DIT__MLP_SWIGLU } dit__mlp_kind;   /* dit.mlp */
typedef enum dit__qk_norm {
  DIT__QK_NORM_NONE = 0,
  DIT__QK_NORM_LAYER,
  DIT__QK_NORM_RMS
} dit__qk_norm; /* dit.qk_norm */
/* dit.rope: rotary positions along the sequence, or along rows and columns of the image. */
typedef enum dit__rope { DIT__ROPE_NONE = 0, DIT__ROPE_1D, DIT__ROPE_2D } dit__rope;

/* A row of conditioning, which depends on timestep and class alone, consists of chunks of `hidden` numbers: those of all
 * blocks, and those behind them. */
typedef struct dit__block_traits {
  int32_t modulated;      /* 1: shift and scale of the norms are chunks; 0: they are weights */
  int32_t gated;          /* 1: a chunk is the gate of what attention and MLP add */
  int32_t cross;          /* 1: the tokens of the image attend to those of the condition, too */
  int32_t context_tokens; /* of the condition, which run through the blocks behind those of the image */
  int32_t block_chunks;   /* of each block */
  int32_t last_chunks;    /* behind those of the blocks: shift and scale of the final norm, or the context tokens */
} dit__block_traits;

extern const dit__block_traits dit__block_types[DIT__BLOCK_KINDS];

/* The words of the keys, in the order of their values, and NULL. */
extern const char *const dit__block_words[],
    *const dit__norm_words[], *const dit__mlp_words[], *const dit__qk_norm_words[], *const dit__rope_words[];

#endif
