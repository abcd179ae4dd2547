/* The model file: GGUF v3, little-endian (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 * Reading turns bytes into named tensors and keys, and trusts nothing. gguf_write.h writes. No arithmetic on weights.
 */
#ifndef DIT_GGUF_H
#define DIT_GGUF_H

#include "dit.h"

/* Types of tensors and of keys, of those GGUF has. */
enum { DIT__GGUF_F32 = 0, DIT__GGUF_F16 = 1, DIT__GGUF_I8 = 24, DIT__GGUF_BF16 = 30 };
enum {
  DIT__KEY_U8 = 0,
  DIT__KEY_I8 = 1,
  DIT__KEY_U16 = 2,
  DIT__KEY_I16 = 3,
  DIT__KEY_U32 = 4,
  DIT__KEY_I32 = 5,
  DIT__KEY_F32 = 6,
  DIT__KEY_BOOL = 7,
  DIT__KEY_STRING = 8,
  DIT__KEY_ARRAY = 9,
  DIT__KEY_U64 = 10,
  DIT__KEY_I64 = 11,
  DIT__KEY_F64 = 12
};

/* Bytes of one element, 0 for a type that is not ours. */
size_t dit__gguf_type_size(uint32_t type);

/* 1 if the bytes are UTF-8 without a zero byte. */
int dit__is_utf8(const uint8_t *text, uint64_t length);

/* ---- Reading ---- */

typedef struct dit__gguf_tensor {
  char name[64];       /* terminated */
  uint32_t type;       /* DIT__GGUF_* */
  uint32_t rank;       /* 1..4 */
  uint64_t shape[4];   /* slowest first, as PyTorch prints it (the file stores it the other way round); 1 beyond rank */
  uint64_t count;      /* elements */
  const uint8_t *data; /* in the file's bytes; aligned to 64 in the file, to anything in memory */
} dit__gguf_tensor;

typedef struct dit__gguf dit__gguf;

/* Indexes a file that lies in memory. The index is one block from `allocate` (dit_options' contract); names and values
 * point into `bytes`, which the caller keeps. On failure *file is NULL, and the message names key or tensor. */
dit_status dit__gguf_open(const void *bytes, size_t size, const dit_options *hooks, dit__gguf **file, dit_error *error);
void dit__gguf_close(dit__gguf *file, const dit_options *hooks);
size_t dit__gguf_memory(const dit__gguf *file); /* bytes of the index */

uint64_t dit__gguf_tensor_count(const dit__gguf *file);
const dit__gguf_tensor *dit__gguf_tensor_at(const dit__gguf *file, uint64_t index); /* in the file's order */
const dit__gguf_tensor *dit__gguf_find(const dit__gguf *file, const char *name);    /* NULL: none */

/* Keys. 1: found, 0: absent (the output is left alone), negative: present with another type or out of range, with a
 * message. Any integer type (and bool) is taken where it fits; f32 and f64 likewise. */
int dit__gguf_integer(const dit__gguf *file, const char *key, int64_t low, int64_t high, int64_t *value,
                      dit_error *error);
int dit__gguf_real(const dit__gguf *file, const char *key, double *value, dit_error *error);
/* A string; UTF-8 without zero bytes (checked when the file was opened), not terminated: `length` bytes at *text. */
int dit__gguf_string(const dit__gguf *file, const char *key, const char **text, size_t *length, dit_error *error);
/* Length of an array; then its elements: strings one after the other (*cursor begins at 0 and is advanced; 0 at the
 * end or if the array holds something else), numbers by index (0 beyond the end, for another type, and
 * for infinities and NaN). */
int dit__gguf_array(const dit__gguf *file, const char *key, uint64_t *count, dit_error *error);
int dit__gguf_array_string(const dit__gguf *file, const char *key, uint64_t *cursor, const char **text, size_t *length);
int dit__gguf_array_real(const dit__gguf *file, const char *key, uint64_t index, double *value);
int dit__gguf_array_integer(const dit__gguf *file, const char *key, uint64_t index, int64_t *value);
/* For tools: key `index` in the file's order, name, type and value as they stand there. NULL: no such key. */
const uint8_t *dit__gguf_key_at(const dit__gguf *file, uint64_t index, const char **name, size_t *length, size_t *size);

#endif
