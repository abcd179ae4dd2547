/* A checkpoint: named tensors in one or several files, which readers fill in. Names are those of the files until names.h
 * brings them to the official ones. open.h opens a checkpoint. */
#ifndef DIT_CONVERT_CHECKPOINT_H
#define DIT_CONVERT_CHECKPOINT_H

#include "dit.h"
#include "lib/model/gguf.h"
#include "lib/model/q4.h"
#include "weights/convert/read/json.h"

enum {
  CHECKPOINT_F32 = 1,
  CHECKPOINT_F16 = 2,
  CHECKPOINT_BF16 = 3,
  CHECKPOINT_F64 = 4,
  CHECKPOINT_Q8 = 5,
  CHECKPOINT_Q4 = 6,
  CHECKPOINT_E4M3 = 7, /* float8_e4m3fn: without infinities */
  CHECKPOINT_E5M2 = 8  /* float8_e5m2 */
};
enum { CHECKPOINT_MAX_RANK = 8 };

/* A q4 matrix, and scratch memory to read it. */
typedef struct checkpoint_q4 {
  dit__weights weights;
  dit__q4 rows;
  uint32_t *row_offsets;
  int8_t *row; /* one decoded row */
} checkpoint_q4;

typedef struct checkpoint_tensor {
  char *name;
  int type; /* CHECKPOINT_F32 .. */
  int rank;
  uint64_t shape[CHECKPOINT_MAX_RANK];  /* slowest first */
  uint64_t stride[CHECKPOINT_MAX_RANK]; /* in elements; every element was checked to lie in the file */
  const uint8_t *data;                  /* the first element, at any alignment, in the mapped file */
  int big_endian;                       /* 1: the bytes of an element are swapped */
  const uint8_t *scale;                 /* of q8 and q4: one float32 for each row */
  checkpoint_q4 *q4;                    /* of q4 only */
  /* The rows of these tensors, one after the other, make this one, whose data is NULL: to_q, to_k and to_v make qkv. */
  struct checkpoint_tensor *parts;
  int part_count;
} checkpoint_tensor;

typedef struct checkpoint {
  checkpoint_tensor *tensors;
  size_t count;
  int diffusers_names;            /* 1: the names were those of diffusers' transformer (names.c) */
  int meanflow_names;             /* 1: s_embedder had another name, that of a port of MeanFlow (names.c) */
  json_value *config;             /* a folder's config.json, or NULL */
  dit__gguf *model_file;          /* the keys of a model file; NULL for every other format */
  uint16_t *decode_table;         /* of a model file with q4 matrices, or NULL */
  char kind[80];                  /* what the files are, in words: "PyTorch zip checkpoint (ema)", "safetensors" */
  struct checkpoint_files *files; /* the mappings that the tensors point into */
} checkpoint;

checkpoint *checkpoint_new(void);     /* empty; NULL without memory */
void checkpoint_close(checkpoint *s); /* may be NULL */

const checkpoint_tensor *checkpoint_find(const checkpoint *s, const char *name); /* NULL: none */
uint64_t checkpoint_elements(const checkpoint_tensor *t);
size_t checkpoint_element_size(int type); /* bytes; 0 for q8 and q4 */
/* Reads `count` elements from `first` on, in row-major order, as float32: exactly, except that f64 is rounded. */
void checkpoint_read(const checkpoint_tensor *t, uint64_t first, uint64_t count, float *out);

/* ---- For the readers ---- */

/* Maps one more file, which stays mapped until the checkpoint is closed. */
dit_status checkpoint_map(checkpoint *s, const char *path, const uint8_t **bytes, size_t *size, dit_error *error);
/* Makes room for `more` tensors. Returns 0 without memory. */
int checkpoint_reserve(checkpoint *s, size_t more);
/* Fails, naming the tensor, if two tensors have the same name. `place` names the file in messages. */
dit_status checkpoint_check_names(const checkpoint *s, const char *place, dit_error *error);

#endif
