/* Loads what was checked. */
#ifndef DIT_LOAD_H
#define DIT_LOAD_H

#include "lib/model/check.h"

/* Fills a model, whose kernels, options, info.compute and file are set, with the contents of its file. Fails only
 * without memory. */
dit_status dit__model_load(dit_model *model, const dit__contents *contents, dit_error *error);

#endif
