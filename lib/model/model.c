/* The memory and the references of a model. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/atomic.h"
#include "lib/core/error.h"
#include "lib/model/model.h"

void *dit__model_reserve(dit_model *model, size_t size, dit_error *error) {
  const size_t header = 64; /* keeps what follows aligned */
  dit__allocation *block = (dit__allocation *)dit__allocate(&model->options, size + header, 64);
  if (!block) {
    dit__fail(error, DIT_ERROR_MEMORY, "no memory for %zu bytes of the model's tables", size);
    return NULL;
  }
  block->next = model->allocations;
  block->size = size + header;
  model->allocations = block;
  model->memory += block->size;
  return (uint8_t *)block + header;
}

void *dit__model_allocate(dit_model *model, size_t size, dit_error *error) {
  void *memory = dit__model_reserve(model, size, error);
  if (memory) memset(memory, 0, size);
  return memory;
}

static void model_free(dit_model *model) {
  const dit_options options = model->options;
  for (dit__allocation *block = model->allocations; block;) {
    dit__allocation *next = block->next;
    dit__release(&options, block, block->size);
    block = next;
  }
  if (model->gguf) dit__gguf_close(model->gguf, &options);
  dit__file_close(&model->file, &options);
  dit__release(&options, model, sizeof *model);
}

void dit__model_hold(const dit_model *model) { dit__atomic_add(&((dit_model *)(uintptr_t)model)->references, 1); }

void dit__model_release(dit_model *model) {
  if (dit__atomic_add(&model->references, -1) == 0) model_free(model);
}
