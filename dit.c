/* Models and single passes, for hosts. Arguments are checked here, and the work is done in lib/. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/core/fpenv.h"
#include "lib/core/names.h"
#include "lib/core/struct_size.h"
#include "lib/job/call.h"
#include "lib/model/model.h"
#include "lib/model/open.h"

uint32_t dit_version(void) { return DIT_VERSION; }

const char *dit_status_name(dit_status status) {
  switch (status) {
    case DIT_OK: return "DIT_OK";
    case DIT_MORE: return "DIT_MORE";
    case DIT_ERROR_ARGUMENT: return "DIT_ERROR_ARGUMENT";
    case DIT_ERROR_IO: return "DIT_ERROR_IO";
    case DIT_ERROR_FORMAT: return "DIT_ERROR_FORMAT";
    case DIT_ERROR_UNSUPPORTED: return "DIT_ERROR_UNSUPPORTED";
    case DIT_ERROR_MEMORY: return "DIT_ERROR_MEMORY";
    case DIT_ERROR_STATE: return "DIT_ERROR_STATE";
    case DIT_CANCELLED: return "DIT_CANCELLED";
    default: return "unknown status";
  }
}

/* ---- Names ---- */

const char *dit_isa_name(int32_t isa) { return dit__name(DIT__ENUM_ISA, isa); }
const char *dit_compute_name(int32_t compute) { return dit__name(DIT__ENUM_COMPUTE, compute); }
const char *dit_load_name(int32_t load) { return dit__name(DIT__ENUM_LOAD, load); }
const char *dit_type_name(int32_t type) { return dit__name(DIT__ENUM_TYPE, type); }
const char *dit_sampler_name(int32_t sampler) { return dit__name(DIT__ENUM_SAMPLER, sampler); }
const char *dit_spacing_name(int32_t spacing) { return dit__name(DIT__ENUM_SPACING, spacing); }
const char *dit_generator_name(int32_t generator) { return dit__name(DIT__ENUM_GENERATOR, generator); }
const char *dit_variance_name(int32_t variance) { return dit__name(DIT__ENUM_VARIANCE, variance); }
const char *dit_clip_name(int32_t clip) { return dit__name(DIT__ENUM_CLIP, clip); }
const char *dit_pixels_name(int32_t format) { return dit__name(DIT__ENUM_PIXELS, format); }

/* ---- Models ---- */

dit_status dit_model_open(const char *path, const dit_options *options, dit_model **model, dit_error *error) {
  if (!model) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_model_open: model is NULL");
  *model = NULL;
  if (!path) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_model_open: path is NULL");
  dit__fpenv saved;
  dit__fpenv_enter(&saved);
  const dit_status status = dit__model_open(path, NULL, 0, options, model, error);
  dit__fpenv_leave(&saved);
  return status;
}

dit_status dit_model_open_memory(const void *data, size_t size, const dit_options *options, dit_model **model,
                                 dit_error *error) {
  if (!model) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_model_open_memory: model is NULL");
  *model = NULL;
  if (!data) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_model_open_memory: data is NULL");
  dit__fpenv saved;
  dit__fpenv_enter(&saved);
  const dit_status status = dit__model_open(NULL, data, size, options, model, error);
  dit__fpenv_leave(&saved);
  return status;
}

void dit_model_close(dit_model *model) {
  if (model) dit__model_release(model);
}

dit_status dit_model_info(const dit_model *model, dit_info *info) {
  if (!model) return DIT_ERROR_ARGUMENT;
  return dit__struct_write(info, &model->info, sizeof *info, "dit_info", NULL);
}

const char *dit_model_class_label(const dit_model *model, int32_t class_id) {
  if (!model || class_id < 0 || class_id >= model->info.label_count) return NULL;
  return model->labels[class_id][0] ? model->labels[class_id] : NULL;
}

/* Whether two names are the same except for case, spaces, '-' and '_'; a ends with 0, b has `length` bytes. */
static int model_same_label(const char *a, const char *b, size_t length) {
  size_t i = 0;
  for (;;) {
    while (*a == ' ' || *a == '-' || *a == '_') a++;
    while (i < length && (b[i] == ' ' || b[i] == '-' || b[i] == '_')) i++;
    const char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
    char y = i < length ? b[i] : (char)0;
    if (y >= 'A' && y <= 'Z') y = (char)(y + 32);
    if (x != y) return 0;
    if (!x) return 1;
    a++;
    i++;
  }
}

int32_t dit_model_find_class(const dit_model *model, const char *label) {
  if (!model || !label || !label[strspn(label, " -_")]) return DIT_UNKNOWN_CLASS;
  for (int32_t i = 0; i < model->info.label_count; i++) { /* a whole label goes before a synonym */
    if (model_same_label(label, model->labels[i], strlen(model->labels[i]))) return i;
  }
  for (int32_t i = 0; i < model->info.label_count; i++)
    for (const char *at = model->labels[i]; *at;) {
      const size_t length = strcspn(at, ",");
      if (model_same_label(label, at, length)) return i;
      at += length + (at[length] == ',');
    }
  return DIT_UNKNOWN_CLASS;
}

/* ---- A pass of the transformer ---- */

static dit_status forward_check_times(const dit_model *model, const char *name, int32_t count, const float *times,
                                      dit_error *error) {
  const int32_t most = model->info.flow ? 1 : model->dit.process.timesteps;
  for (int32_t i = 0; i < count; i++)
    if (!(times[i] >= 0 && times[i] <= (float)most))
      return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_forward: %s[%d] must be a number from 0 to %d", name, i, most);
  return DIT_OK;
}

static dit_status forward_check(const dit_model *model, const dit_forward_params *p, const float *out,
                                dit_error *error) {
  const dit__transformer *dit = &model->dit;
  const char *missing = !p->latent ? "params->latent" : !p->timesteps ? "params->timesteps" : !out ? "out" : NULL;
  if (!dit->present) return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_forward: the model has no transformer");
  if (missing) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_forward: %s is NULL", missing);
  if ((p->second_timesteps != NULL) != model->info.second_timestep)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "dit_forward: the model takes %s, so params->second_timesteps must %sbe NULL",
                     model->info.second_timestep ? "two times" : "one time", model->info.second_timestep ? "not " : "");
  if (p->count < 1 || p->count > 65536)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_forward: count is %d; it must be from 1 to 65536", p->count);
  dit_status status = dit__check_size(model, "dit_forward", p->height, p->width, error);
  if (status) return status;
  if ((int64_t)p->count * (p->height / dit->patch) * (p->width / dit->patch) > 1 << 24)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "dit_forward: count is %d, which is too large for %d x %d latent pixels; make several calls",
                     p->count, p->width, p->height);
  status = forward_check_times(model, "timesteps", p->count, p->timesteps, error);
  if (!status && p->second_timesteps)
    status = forward_check_times(model, "second_timesteps", p->count, p->second_timesteps, error);
  for (int32_t i = 0; i < p->count && !status; i++)
    status = dit__check_class(model, "dit_forward: classes", i, p->classes ? p->classes[i] : DIT_NO_CLASS, error);
  return status;
}

dit_status dit_forward(const dit_model *model, const dit_forward_params *params, float *out, dit_error *error) {
  dit_forward_params p;
  dit__fpenv saved;
  if (!model) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_forward: model is NULL");
  if (!params) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_forward: params is NULL");
  dit_status status = dit__struct_read(&p, sizeof p, params, "dit_forward_params", error);
  if (status) return status;
  dit__fpenv_enter(&saved);
  status = forward_check(model, &p, out, error);
  if (!status) status = dit__forward_call_run(model, &p, out, error);
  dit__fpenv_leave(&saved);
  return status;
}
