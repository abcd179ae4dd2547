/* Single passes of a network that run to their end in one call, in a workspace of their own. */
#ifndef DIT_JOB_CALL_H
#define DIT_JOB_CALL_H

#include "lib/model/model.h"

/* See dit_forward. The arguments must have been checked. Errors: MEMORY. */
dit_status dit__forward_call_run(const dit_model *model, const dit_forward_params *params, float *out,
                                 dit_error *error);

/* Decoding or encoding of `count` pictures, one after the other; the members are the arguments of dit_vae_decode or
 * dit_vae_encode. */
typedef struct dit__vae_call {
  const dit_model *model;
  int32_t decode; /* 1: decode, 0: encode */
  int32_t count, height, width;
  const float *from;    /* the latent to decode, or the image to encode */
  float *image;         /* decoding: the result */
  float *mean, *logvar; /* encoding: the results; one may be NULL */
  size_t budget;        /* bytes of workspace that decoding should keep to; dit__vae_call_run chooses it */
} dit__vae_call;

/* The arguments must have been checked. Errors: MEMORY. */
dit_status dit__vae_call_run(const dit__vae_call *call, dit_error *error);

/* Returns about how many flops a call takes if memory is not limited. It reads the model, the sizes and the count; the
 * other pointers may be NULL. Any thread. */
double dit__vae_call_flops(const dit__vae_call *call);

#endif
