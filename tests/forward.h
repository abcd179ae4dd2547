/* dit_forward with its inputs as arguments, for a network that takes one time. */
#ifndef DIT_TEST_FORWARD_H
#define DIT_TEST_FORWARD_H

#include "dit.h"

static dit_status forward(const dit_model *model, int32_t count, int32_t height, int32_t width, const float *latent,
                          const float *timesteps, const int32_t *classes, float *out, dit_error *error) {
  const dit_forward_params params = {.struct_size = sizeof params,
                                     .count = count,
                                     .height = height,
                                     .width = width,
                                     .latent = latent,
                                     .timesteps = timesteps,
                                     .classes = classes};
  return dit_forward(model, &params, out, error);
}

#endif
