/* Single passes of a network that run to their end in one call, in a workspace of their own. */
#ifndef DIT_JOB_CALL_H
#define DIT_JOB_CALL_H

#include "lib/model/model.h"

/* A pass of the transformer over `count` samples: see dit_denoise. */
typedef struct dit__denoise_call {
  const dit_model *model;
  int32_t count, height, width;
  const float *latent, *timesteps;
  const int32_t *classes;
  float *out;
} dit__denoise_call;

/* Errors: MEMORY. */
dit_status dit__denoise_call_run(const dit__denoise_call *call, dit_error *error);

/* Decoding or encoding of `count` pictures, one after the other: see dit_vae_decode. */
typedef struct dit__vae_call {
  const dit_model *model;
  int32_t count, height, width, decode; /* height and width of what goes in */
  size_t budget;                        /* SIZE_MAX at first */
  const float *from;
  float *image, *mean, *logvar;
} dit__vae_call;

/* Errors: MEMORY. */
dit_status dit__vae_call_run(const dit__vae_call *call, dit_error *error);

#endif
