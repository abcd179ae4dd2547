/* What a job is asked to make. */
#ifndef DIT_PARAMS_H
#define DIT_PARAMS_H

#include "lib/model/model.h"

/* Fills in every default for `model` and checks every member; pointers are passed through. params may be NULL, and may
 * be `out`. Errors: ARGUMENT, UNSUPPORTED; `out` is left alone. */
dit_status dit__params_resolve(const dit_model *model, const dit_params *params, dit_params *out, dit_error *error);

/* Returns the process that a job follows: the model's, shifted as the resolved parameters say. */
dit__process dit__params_process(const dit_model *model, const dit_params *p);

#endif
