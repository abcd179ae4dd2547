#include "weights/convert/write/check_written.h"

#include "lib/core/error.h"

dit_status check_written(const char *path, dit_error *error) {
  dit_model *model;
  dit_error why;
  const dit_status status = dit_model_open(path, NULL, &model, &why);
  if (status) return dit__fail(error, status, "libdit does not open what was written: %s", why.message);
  dit_model_close(model);
  return DIT_OK;
}
