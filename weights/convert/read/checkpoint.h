/* Where tensors come from: a checkpoint, opened and listed. Names are those of the file. */
#ifndef DIT_SOURCE_H
#define DIT_SOURCE_H

#include "dit.h"
#include "lib/model/q4.h"
#include "weights/convert/read/json.h"
#include "lib/model/gguf.h"

enum { SOURCE_F32 = 1, SOURCE_F16 = 2, SOURCE_BF16 = 3, SOURCE_F64 = 4, SOURCE_Q8 = 5, SOURCE_Q4 = 6 };
enum { SOURCE_RANK = 8 };

/* A q4 matrix, and room to read it. */
typedef struct source_q4 {
  dit__weights weights;
  dit__q4 rows;
  uint32_t *row_offsets;
  int8_t *row; /* one, unpacked */
} source_q4;

typedef struct source_tensor {
  char *name;
  int type;
  int rank;
  uint64_t shape[SOURCE_RANK];  /* slowest first */
  uint64_t stride[SOURCE_RANK]; /* in elements; every element was checked to lie in the file */
  const uint8_t *data;          /* first element, any alignment, in the mapped file */
  int big_endian;               /* its bytes are the other way round than everybody's */
  const uint8_t *scale;         /* SOURCE_Q8 and Q4: a float32 for each row */
  source_q4 *q4;                /* SOURCE_Q4: its rows */
  /* Tensors whose rows follow each other make this one (its data is NULL), such as to_q, to_k and to_v make qkv. */
  struct source_tensor *parts;
  int part_count;
} source_tensor;

typedef struct source {
  source_tensor *tensors;
  size_t count;
  int diffusers_names;        /* names.c found those of diffusers' transformer */
  json_value *config;         /* a folder's config.json; NULL: none */
  dit__gguf *model_file;      /* a model file's keys; NULL: it is none */
  uint16_t *decode_table;     /* of its q4 matrices; NULL: it has none */
  char kind[80];              /* "PyTorch zip checkpoint (ema)", "safetensors", ...: what was found, for people */
  struct source_files *files; /* the mappings behind the tensors */
} source;

/* Opens a PyTorch checkpoint (.pt .pth .bin .ckpt), a .safetensors file, a list of shards (.index.json), a model file,
 * or a diffusers folder, told apart by their content. `variant` names one of a folder's files ("fp16"); NULL: the plain
 * ones, or else the only one there is. On failure *out is NULL and `error` has a sentence with the file's name. */
dit_status source_open(const char *path, const char *variant, source **out, dit_error *error);
void source_close(source *s); /* NULL is fine */

/* Element `index` (row-major) .. as float32, `count` of them; the values are exact but for f64, which is rounded. */
void source_read(const source_tensor *t, uint64_t first, uint64_t count, float *out);
uint64_t source_elements(const source_tensor *t);

/* ---- For the readers ---- */

/* Maps one more file; it stays mapped as long as the source. */
dit_status source_map(source *s, const char *path, const uint8_t **bytes, size_t *size, dit_error *error);
/* Lists the tensors of a file by its content, behind those that are there already. `place` names it in messages. */
dit_status source_list(source *s, const uint8_t *bytes, size_t size, const char *place, dit_error *error);
/* Makes room for `more` tensors behind those that are there. */
int source_reserve(source *s, size_t more);
/* FORMAT, naming it, if a name is there twice. */
dit_status source_check_names(const source *s, const char *place, dit_error *error);
/* Whether a path is a folder. */
int source_is_folder(const char *path);
/* FOLDER/NAME, to be freed; NULL without memory. */
char *source_join(const char *folder, const char *name);
int source_exists(const char *folder, const char *name); /* 1 if the folder has a file of that name that is not empty */
/* A JSON text of at most `limit` bytes; NULL and a sentence on failure. */
json_value *source_json(const char *path, size_t limit, dit_error *error);

#endif
