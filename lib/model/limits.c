/* The classes and sizes that a model can be asked for. */
#include "lib/core/numerics.h"

#include "lib/core/error.h"
#include "lib/model/model.h"

dit_status dit__check_class(const dit_model *model, const char *what, int32_t index, int32_t class_id,
                            dit_error *error) {
  const dit__transformer *dit = &model->dit;
  if (class_id == DIT_UNKNOWN_CLASS)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "%s[%d] is -2: dit_model_find_class returns -2 for a name that the model does not have", what,
                     index);
  if (class_id == DIT_NO_CLASS && dit->null_class < 0)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "%s[%d] is -1, but the model was trained without a null class", what,
                     index);
  if (class_id < DIT_NO_CLASS || (class_id >= dit->classes && class_id != dit->null_class))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s[%d] is %d; the model has classes 0 to %d, and -1 for none", what,
                     index, class_id, dit->classes - 1);
  return DIT_OK;
}

dit_status dit__check_size(const dit_model *model, const char *what, int32_t height, int32_t width, dit_error *error) {
  const int32_t patch = model->dit.patch;
  if (height < patch || width < patch || height > DIT__MAX_LATENT || width > DIT__MAX_LATENT || height % patch ||
      width % patch)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "%s: a latent of %d x %d; width and height must be multiples of %d, up to %d", what, width, height,
                     patch, DIT__MAX_LATENT);
  return DIT_OK;
}

int32_t dit__max_side(int32_t scale_factor) {
  return scale_factor < DIT__MAX_SIDE / DIT__MAX_LATENT ? scale_factor * DIT__MAX_LATENT : DIT__MAX_SIDE;
}
