/* Where tensors come from: a checkpoint, opened and listed. Names are those of the file. */
#ifndef DIT_SOURCE_H
#define DIT_SOURCE_H

#include "dit.h"
#include "weights/convert/json.h"

enum { SOURCE_F32 = 1, SOURCE_F16 = 2, SOURCE_BF16 = 3, SOURCE_F64 = 4 };
enum { SOURCE_RANK = 8 };

typedef struct source_tensor {
  char *name;
  int type;
  int rank;
  uint64_t shape[SOURCE_RANK];  /* slowest first */
  uint64_t stride[SOURCE_RANK]; /* in elements; every element was checked to lie in the file */
  const uint8_t *data;          /* first element, little-endian, any alignment, in the mapped file */
} source_tensor;

typedef struct source {
  source_tensor *tensors;
  size_t count;
  json_value *config;         /* a VAE folder's config.json; NULL: none */
  const char *kind;           /* "PyTorch zip checkpoint (ema)", "safetensors", ...: what was found, for people */
  struct source_files *files; /* the mappings behind the tensors */
} source;

/* Opens a .pt/.pth/.bin/.ckpt zip checkpoint, a .safetensors file, or a diffusers folder, told apart by their content.
 * On failure *out is NULL and `error` has a sentence with the file's name. */
dit_status source_open(const char *path, source **out, dit_error *error);
void source_close(source *s); /* NULL is fine */

/* Element `index` (row-major) .. as float32, `count` of them; the values are exact but for f64, which is rounded. */
void source_read(const source_tensor *t, uint64_t first, uint64_t count, float *out);

#endif
