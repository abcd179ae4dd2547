/* The families of transformers that dit-convert knows: those that share DiT's tensors and differ in what they were trained
 * to do. */
#ifndef DIT_CONVERT_FAMILIES_H
#define DIT_CONVERT_FAMILIES_H

#include "lib/model/block_kind.h"
#include "lib/sampling/timesteps.h"
#include "weights/convert/read/checkpoint.h"

typedef struct family {
  const char *option;  /* of --family */
  const char *name;    /* the first word of the model's: dit.family */
  const char *license; /* what is known of that of the published weights, or NULL */
  const char *no_bias; /* the prefix of layers that may lack a bias, which is zero then; or NULL */
  /* See dit__process; shift 0: 1. */
  double shift;
  dit__path path;
  dit__prediction prediction;
  dit__second_time second_time;
  int32_t data_time, guides_passes;
  /* See dit__transformer; of norm, mlp_kind and qk_norm the tensors tell, except for synthetic models. */
  dit__rope rope;
  dit__norm_kind norm;
  dit__mlp_kind mlp_kind;
  dit__qk_norm qk_norm;
  int32_t pixels;
  int32_t vae_factor, vae_channels; /* of the autoencoder of synthetic models; 0: 8 and 4, as Stable Diffusion's */
  int32_t no_null_class;            /* 1: every row of the label table is a class */
  /* Recommended, as its authors sample; guidance 1: none. */
  int32_t sampler, steps, guidance_channels;
  double guidance, guidance_start, guidance_end;
} family;

/* Returns the family with a name of --family, or NULL. */
const family *family_find(const char *option);

/* Writes the names of --family: "dit, sit, ...". */
void family_list(char *out, size_t room);

/* Chooses the family of a checkpoint with official names. What only one family has, or a configuration of diffusers,
 * tells it; else the caller must, in `option` (or NULL). *why says what told it, and which tensors are left out. Errors:
 * ARGUMENT (`option` is no family, is missing, or contradicts the tensors). */
dit_status family_choose(const checkpoint *s, const char *option, const family **out, char *why, size_t room,
                         dit_error *error);

/* Returns whether a tensor is one that only training needs, so that it is left out. */
int family_trains_with(const char *name);

#endif
