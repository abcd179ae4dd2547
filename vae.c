/* The autoencoder, for hosts. Arguments are checked here, and the work is done in lib/. */
#include "lib/core/numerics.h"

#include "lib/core/error.h"
#include "lib/core/fpenv.h"
#include "lib/job/call.h"
#include "lib/model/model.h"

/* Checks the arguments of a call, except the model, and runs it. */
static dit_status vae_call(const dit__vae_call *call, const char *what, dit_error *error) {
  const int32_t factor = call->model->vae.scale_factor, unit = call->decode ? 1 : factor;
  const int32_t limit = call->decode ? dit__max_side(factor) / factor : DIT__MAX_SIDE;
  if (call->count < 1 || call->count > 65536)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: count is %d; it must be from 1 to 65536", what, call->count);
  if (call->height < unit || call->width < unit || call->height % unit || call->width % unit || call->height > limit ||
      call->width > limit)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "%s: width x height is %d x %d; width and height must be multiples of %d, up to %d", what,
                     call->width, call->height, unit, limit);
  const char *missing = call->from ? NULL : call->decode ? "latent is" : "image is";
  if (!missing && call->decode && !call->image) missing = "image is";
  if (!missing && !call->decode && !call->mean && !call->logvar) missing = "mean and logvar are";
  if (missing) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: %s NULL", what, missing);
  dit__fpenv saved;
  dit__fpenv_enter(&saved);
  const dit_status status = dit__vae_call_run(call, error);
  dit__fpenv_leave(&saved);
  return status;
}

dit_status dit_vae_decode(const dit_model *model, int32_t count, int32_t height, int32_t width, const float *latent,
                          float *image, dit_error *error) {
  const dit__vae_call call = {
      .model = model, .decode = 1, .count = count, .height = height, .width = width, .from = latent, .image = image};
  if (!model) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_vae_decode: model is NULL");
  if (!model->vae.decoder) return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_vae_decode: the model has no decoder");
  return vae_call(&call, "dit_vae_decode", error);
}

dit_status dit_vae_encode(const dit_model *model, int32_t count, int32_t height, int32_t width, const float *image,
                          float *mean, float *logvar, dit_error *error) {
  const dit__vae_call call = {
      .model = model, .count = count, .height = height, .width = width, .from = image, .mean = mean, .logvar = logvar};
  if (!model) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_vae_encode: model is NULL");
  if (!model->vae.encoder) return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_vae_encode: the model has no encoder");
  return vae_call(&call, "dit_vae_encode", error);
}
