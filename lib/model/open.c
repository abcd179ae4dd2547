/* Opening a model: options, the file, its check, its load. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/core/names.h"
#include "lib/core/struct_size.h"
#include "lib/model/check.h"
#include "lib/model/load.h"
#include "lib/model/open.h"

static dit_status open_check_options(const dit_options *o, dit_error *error) {
  if (o->threads < 0 || o->threads > 1024)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_options: threads is %d; it must be 0 to 1024", o->threads);
  dit_status status = dit__check_enum("dit_options", "isa", DIT__ENUM_ISA, o->isa, error);
  if (!status) status = dit__check_enum("dit_options", "compute", DIT__ENUM_COMPUTE, o->compute, error);
  if (!status) status = dit__check_enum("dit_options", "load", DIT__ENUM_LOAD, o->load, error);
  if (status) return status;
  if (o->reserved) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_options: reserved must be 0");
  if (!o->allocate != !o->release)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_options: allocate and release must be given together");
  return DIT_OK;
}

static dit_status open_options(dit_model *model, const dit_options *options, dit_error *error) {
  dit_options *o = &model->options;
  dit_status status = dit__struct_read(o, sizeof *o, options, "dit_options", error);
  if (!status) status = open_check_options(o, error);
  if (status) return status;
  if (!dit__kernels_get(o->isa, &model->kernels))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_options: isa is %s, which this build or processor does not have",
                     dit__name(DIT__ENUM_ISA, o->isa));
  if (o->compute == DIT_COMPUTE_BF16 && !model->kernels.bf16.nr)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_options: this processor or instruction set does not multiply bf16; use f32 or int8");
  if (!o->load) o->load = DIT_LOAD_MAP;
  if (!o->threads) {
#ifdef _OPENMP
    o->threads = o->parallel_for ? 8 : dit__processors();
#else
    o->threads = o->parallel_for ? 8 : 1;
#endif
  }
  return DIT_OK;
}

static dit_status open_file(dit_model *model, const char *path, const void *data, size_t size, dit_error *error) {
  if (path) {
    const dit_status status = dit__file_open(path, model->options.load, &model->options, &model->file, error);
    if (status) return status;
  } else {
    model->file.bytes = (const uint8_t *)data;
    model->file.size = size;
  }
  return dit__gguf_open(model->file.bytes, model->file.size, &model->options, &model->gguf, error);
}

/* The compute mode, which must suit the weights. */
static dit_status open_compute(dit_model *model, const dit_info *info, dit_error *error) {
  const int narrow = info->weight_type == DIT_TYPE_Q8 || info->weight_type == DIT_TYPE_Q4;
  model->info.compute = model->options.compute;
  if (!model->info.compute) model->info.compute = narrow ? DIT_COMPUTE_INT8 : DIT_COMPUTE_F32;
  if (model->info.compute != DIT_COMPUTE_INT8 || narrow) return DIT_OK;
  return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                   "dit_options: computing in int8 needs q8 or q4 weights; convert the model with --type q8");
}

/* What the file says is known; this is how it was opened. */
static void open_describe(dit_model *model, const char *path) {
  dit_info *info = &model->info;
  info->numerics = DIT_NUMERICS;
  info->isa = model->kernels.isa;
  info->load = path ? model->options.load : DIT_LOAD_MAP;
  info->threads = model->options.threads;
  info->file_size = model->file.size;
  model->memory += sizeof *model + dit__gguf_memory(model->gguf);
  info->memory = model->memory + (path && model->options.load == DIT_LOAD_READ ? model->file.size : 0);
}

/* Begins the message with the path, if it does not already. */
static void open_name_path(const char *path, dit_status status, dit_error *error) {
  char message[sizeof error->message];
  if (!path || !error || error->status != status || !strncmp(error->message, path, strlen(path))) return;
  memcpy(message, error->message, sizeof message);
  dit__fail(error, status, "%.180s: %.320s", path, message);
}

dit_status dit__model_open(const char *path, const void *data, size_t size, const dit_options *options, dit_model **out,
                           dit_error *error) {
  dit_model start;
  dit__contents contents;
  memset(&start, 0, sizeof start);
  *out = NULL;
  dit_status status = open_options(&start, options, error);
  if (status) return status;
  dit_model *model = (dit_model *)dit__allocate(&start.options, sizeof *model, 64);
  if (!model) return dit__fail(error, DIT_ERROR_MEMORY, "no memory for a model");
  *model = start;
  model->references = 1;
  status = open_file(model, path, data, size, error);
  if (!status) status = dit__model_check(model->gguf, &contents, error);
  if (!status) status = open_compute(model, &contents.info, error);
  if (!status) status = dit__model_load(model, &contents, error);
  if (status) {
    open_name_path(path, status, error);
    dit__model_release(model);
    return status;
  }
  open_describe(model, path);
  *out = model;
  return DIT_OK;
}
