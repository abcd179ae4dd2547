/* A model in memory: a transformer, an autoencoder, and what the file says about them. load.c fills it. */
#ifndef DIT_MODEL_H
#define DIT_MODEL_H

#include "lib/core/platform.h"
#include "lib/model/block_kind.h"
#include "lib/model/gguf.h"
#include "lib/model/matrix.h"
#include "lib/sampling/timesteps.h"

enum { DIT__MAX_VAE_LEVELS = 8, DIT__MAX_VAE_LAYERS = 8 }; /* layers: resnets in one level */
enum { DIT__MAX_SIDE = 16384, DIT__MAX_LATENT = 1024 };    /* pixels and latent pixels along one side */
/* Bounds of the geometry of a transformer and of an autoencoder in a file. */
enum {
  DIT__MAX_HIDDEN = 16384,
  DIT__MAX_DEPTH = 512,
  DIT__MAX_HEADS = 256,
  DIT__MAX_PATCH = 16,
  DIT__MAX_CHANNELS = 64,
  DIT__MAX_CLASSES = 1000000,
  DIT__MAX_MLP = 65536,
  DIT__MAX_CONTEXT = 256,
  DIT__MAX_GROUPS = 256,
  DIT__MAX_VAE_WIDTH = 4096
};

typedef struct dit__norm {
  const float *gamma, *beta;
} dit__norm;

/* What a block does not have stays empty (dit__block_traits). */
typedef struct dit__block {
  dit__matrix qkv, proj, fc1, fc2, modulation;
  dit__matrix gate; /* of SwiGLU: fc2(silu(gate(x)) * fc1(x)) */
  dit__norm norm1, norm2, q_norm, k_norm;
  dit__norm norm_cross;
  dit__matrix cross_q, cross_kv, cross_proj;
} dit__block;

typedef struct dit__transformer {
  int32_t present; /* 1: the file has a transformer */
  char family[16]; /* "DiT", "SiT": as the first word of its name */
  int32_t hidden, depth, heads, patch, latent_size, channels, out_channels, mlp, classes, null_class;
  dit__block_kind block_kind; /* of all blocks; the norms of the final layer are as those of the blocks */
  dit__norm_kind norm;
  dit__mlp_kind mlp_kind;
  dit__qk_norm qk_norm;
  dit__rope rope;
  dit__process process;           /* what the model was trained with */
  int32_t diffusers;              /* dit.forward: 1 for the formulas of diffusers' DiTTransformer2DModel */
  float mlp_eps;                  /* of the norm before the MLP */
  int32_t pixels;                 /* 1: what it samples is the picture, not a latent */
  int32_t bottleneck;             /* channels between the two layers that embed patches; 0: there is one layer */
  int32_t context, context_block; /* class tokens that join those of the image from block context_block on; 0: none */
  dit__matrix squeeze;            /* of patches, [bottleneck][channels * patch * patch] */
  dit__matrix embed;              /* of patches, [hidden][channels * patch * patch], or of the bottleneck */
  dit__weights context_positions; /* [context][hidden], added to the class */
  dit__weights positions;         /* [latent_size/patch squared][hidden] */
  dit__matrix t_mlp0, t_mlp2;     /* timestep embedding */
  dit__matrix s_mlp0, s_mlp2;     /* of the second time, with DIT__SECOND_TIME_DIFFERENCE */
  int32_t second_block;           /* from which on the second time takes the place of the first, with _TIME_END */
  dit__weights labels;            /* [classes (+ 1)][hidden] */
  dit__block *blocks;             /* [depth] */
  dit__matrix final_linear, final_modulation;
  dit__norm final_norm;
} dit__transformer;

typedef struct dit__resnet {
  int32_t in, out;
  dit__norm norm1, norm2;
  dit__matrix conv1, conv2, shortcut; /* shortcut only if in != out */
} dit__resnet;

typedef struct dit__vae_attention {
  dit__norm norm;
  dit__matrix q, k, v, out;
} dit__vae_attention;

typedef struct dit__vae_mid_block {
  dit__resnet resnet[2];
  dit__vae_attention attention;
} dit__vae_mid_block;

/* The encoder or the decoder; levels in the order in which data passes them. */
typedef struct dit__vae_coder {
  int32_t width[DIT__MAX_VAE_LEVELS];   /* channels */
  int32_t resnets;                      /* in each level */
  dit__matrix conv_in, conv_out, quant; /* post_quant_conv or quant_conv, 1x1 */
  dit__vae_mid_block mid_block;
  dit__resnet level[DIT__MAX_VAE_LEVELS][DIT__MAX_VAE_LAYERS];
  dit__vae_attention attention[DIT__MAX_VAE_LAYERS]; /* after each resnet of the lowest level, with level_attention */
  dit__matrix resample[DIT__MAX_VAE_LEVELS];         /* the upsampler or downsampler after each level except the last */
  dit__norm norm_out;
} dit__vae_coder;

typedef struct dit__vae {
  int32_t levels, layers, groups, channels, image_channels;
  int32_t scale_factor;               /* pixels per latent pixel, along one side */
  int32_t width[DIT__MAX_VAE_LEVELS]; /* channels of the encoder's levels; the decoder has them in reverse */
  int32_t level_attention;            /* 1: attention after each resnet of the lowest level, as in VA-VAE */
  int32_t has_decoder, has_encoder;   /* in the file */
  double scaling;
  dit__vae_coder *decoder, *encoder; /* NULL: not in the file, or not loaded yet */
} dit__vae;

/* How many tokens of the condition run through the last blocks. */
static inline int32_t dit__context_tokens(const dit__transformer *dit) {
  return dit__block_types[dit->block_kind].context_tokens + dit->context;
}

/* Whether the norms of the blocks and of the final layer have weights: RMS norms, and those that nothing modulates. */
static inline int32_t dit__norms_have_weights(const dit__transformer *dit) {
  return dit->norm == DIT__NORM_RMS || !dit__block_types[dit->block_kind].modulated;
}

/* Channels of a level of the decoder or the encoder. */
static inline int32_t dit__vae_width(const dit__vae *vae, int32_t decoder, int32_t level) {
  return vae->width[decoder ? vae->levels - 1 - level : level];
}

/* Whether attention follows each resnet of a level of the decoder or the encoder. */
static inline int32_t dit__vae_attends(const dit__vae *vae, int32_t decoder, int32_t level) {
  return vae->level_attention && level == (decoder ? 0 : vae->levels - 1);
}

typedef struct dit__allocation {
  struct dit__allocation *next;
  size_t size;
} dit__allocation;

struct dit_model {
  dit__kernels kernels;
  dit_options options;
  dit__file file;
  dit__gguf *gguf;
  dit__allocation *allocations; /* freed with the model */
  uint64_t memory;
  intptr_t references; /* the host's, and one for each job; counted atomically */
  dit__transformer dit;
  dit__vae vae;
  dit_info info;
  const char **labels;  /* [info.label_count] */
  const float *preview; /* [image_channels][channels + 1], or NULL */
  double unit_flops;
};

/* Whether jobs make pictures, and not only latents. */
static inline int32_t dit__model_draws(const dit_model *model) { return model->vae.decoder || model->dit.pixels; }

/* Allocate memory that is freed with the model; the first zeroes it. NULL on failure, with a sentence in *error. */
void *dit__model_allocate(dit_model *model, size_t size, dit_error *error);
void *dit__model_reserve(dit_model *model, size_t size, dit_error *error);
void dit__model_hold(const dit_model *model); /* takes one reference more */
void dit__model_release(dit_model *model);    /* gives one back; the last frees the model */

/* ---- limits.c: what a model can be asked for ---- */

/* Check that the model has class `class_id`, and runs latents of a size. `what` names the argument in messages, of which
 * class_id is element `index`. */
dit_status dit__check_class(const dit_model *model, const char *what, int32_t index, int32_t class_id,
                            dit_error *error);
dit_status dit__check_size(const dit_model *model, const char *what, int32_t height, int32_t width, dit_error *error);

/* Returns the largest number of pixels along one side for an autoencoder with this scale factor (1: for none). */
int32_t dit__max_side(int32_t scale_factor);

#endif
