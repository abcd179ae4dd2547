#include "weights/convert/write/check_written.h"

#include "lib/core/error.h"
#include "programs/mapped_file.h"

dit_status check_unchanged(dit_error *error) {
  const char *changed = mapped_file_changed();
  if (!changed) return DIT_OK;
  return dit__fail(error, DIT_ERROR_IO,
                   "%s: was changed while it was read; run it again when nobody writes to the file", changed);
}

dit_status check_written(const char *path, dit_error *error) {
  const dit_status unchanged = check_unchanged(error);
  if (unchanged) return unchanged;
  dit_model *model;
  dit_error why;
  const dit_status status = dit_model_open(path, NULL, &model, &why);
  if (status) return dit__fail(error, status, "libdit does not open what was written: %s", why.message);
  dit_model_close(model);
  return DIT_OK;
}
