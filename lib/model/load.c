/* From a file that was checked to a model that can run. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/model/load.h"
#include "lib/model/tensors.h"

enum { LOAD_PACKED = 64 << 20 }; /* bytes of packed weights up to which a model keeps them */

static dit_status load_tensor(void *user, const dit__tensor *tensor) {
  return dit__tensor_load((dit__loader *)user, tensor);
}

static dit_status load_pack(void *user, const dit__tensor *tensor) {
  return dit__tensor_pack((dit__loader *)user, tensor);
}

static dit_status load_walk(dit__loader *loader, dit__tensor_visit *visit) {
  dit_model *model = loader->model;
  const dit_status status = model->dit.present ? dit__list_transformer(&model->dit, visit, loader) : DIT_OK;
  return status ? status : dit__list_autoencoder(&model->vae, visit, loader);
}

/* Packs all matrices into one block of memory. */
static dit_status load_panels(dit__loader *loader) {
  if (!loader->packed) return DIT_OK;
  loader->panels = (uint8_t *)dit__model_reserve(loader->model, (size_t)loader->packed, loader->error);
  return loader->panels ? load_walk(loader, load_pack) : DIT_ERROR_MEMORY;
}

/* An encoder or decoder with its widths, and no weights yet. */
static dit__vae_coder *load_coder(dit_model *model, int32_t decoder, dit_error *error) {
  const dit__vae *vae = &model->vae;
  dit__vae_coder *coder = (dit__vae_coder *)dit__model_allocate(model, sizeof *coder, error);
  if (!coder) return NULL;
  coder->resnets = vae->layers + decoder;
  for (int32_t i = 0; i < vae->levels; i++) {
    coder->width[i] = dit__vae_width(vae, decoder, i);
    for (int32_t j = 0; j < coder->resnets; j++) {
      coder->level[i][j].in = j || !i ? coder->width[i] : coder->width[i - 1];
      coder->level[i][j].out = coder->width[i];
    }
  }
  for (int i = 0; i < 2; i++)
    coder->mid_block.resnet[i].in = coder->mid_block.resnet[i].out = vae->width[vae->levels - 1];
  return coder;
}

/* The structs that weights go into. */
static dit_status load_structs(dit_model *model, dit_error *error) {
  dit__transformer *dit = &model->dit;
  dit__vae *vae = &model->vae;
  if (dit->present) {
    dit->blocks = (dit__block *)dit__model_allocate(model, (size_t)dit->depth * sizeof *dit->blocks, error);
    if (!dit->blocks) return DIT_ERROR_MEMORY;
  }
  if (vae->has_decoder && !(vae->decoder = load_coder(model, 1, error))) return DIT_ERROR_MEMORY;
  if (vae->has_encoder && !(vae->encoder = load_coder(model, 0, error))) return DIT_ERROR_MEMORY;
  return DIT_OK;
}

/* Copies the labels, one terminated string after the other, as far as `bytes` reaches: the file may have been changed
 * since it was checked. */
static dit_status load_labels(dit_model *model, uint64_t bytes, dit_error *error) {
  const int32_t count = model->info.label_count;
  uint64_t cursor = 0;
  const char *text;
  size_t length;
  if (!count) return DIT_OK;
  model->labels = (const char **)dit__model_allocate(model, (size_t)count * sizeof(char *), error);
  char *to = model->labels ? (char *)dit__model_allocate(model, (size_t)bytes, error) : NULL;
  if (!to) return DIT_ERROR_MEMORY;
  for (int32_t i = 0; i < count; i++) {
    if (!dit__gguf_array_string(model->gguf, "dit.labels", &cursor, &text, &length) || length >= bytes)
      return dit__fail(error, DIT_ERROR_FORMAT, "key dit.labels: the file was changed while it was opened");
    memcpy(to, text, length);
    model->labels[i] = to;
    to += length + 1;
    bytes -= length + 1;
  }
  return DIT_OK;
}

static dit_status load_preview(dit_model *model, dit_error *error) {
  const size_t count = (size_t)model->vae.image_channels * ((size_t)model->vae.channels + 1);
  if (!model->info.has_preview) return DIT_OK;
  float *map = (float *)dit__model_allocate(model, count * sizeof *map, error);
  for (size_t i = 0; map && i < count; i++) {
    double value = i % ((size_t)model->vae.channels + 2) == 0; /* the identity, of a model of pixels */
    if (!model->dit.pixels) dit__gguf_array_real(model->gguf, "dit.preview", i, &value);
    map[i] = (float)value;
  }
  model->preview = map;
  return map ? DIT_OK : DIT_ERROR_MEMORY;
}

dit_status dit__model_load(dit_model *model, const dit__contents *contents, dit_error *error) {
  dit__loader loader = {.model = model, .error = error};
  const int32_t compute = model->info.compute;
  model->dit = contents->dit;
  model->vae = contents->vae;
  model->info = contents->info;
  model->info.compute = compute;
  dit_status status = load_structs(model, error);
  if (!status) status = load_walk(&loader, load_tensor);
  const int packed = loader.packed <= LOAD_PACKED;
  if (!status && packed) status = load_panels(&loader);
  if (!status) status = load_labels(model, contents->label_bytes, error);
  if (!status) status = load_preview(model, error);
  model->unit_flops = packed ? 0.05e9 : 1e9;
  return status;
}
