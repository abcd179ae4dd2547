/* The model file: GGUF v3, little-endian (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Reading turns bytes
 * into named tensors and keys, and trusts nothing. The converter's gguf_write.h writes. */
#ifndef DIT_GGUF_H
#define DIT_GGUF_H

#include "dit.h"

/* Types of tensors, as far as they are supported, and of keys. */
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

/* Returns the bytes of one element, or 0 for a type that is not supported. */
size_t dit__gguf_type_size(uint32_t type);

/* Returns 1 if the bytes are UTF-8 without a zero byte. */
int dit__is_utf8(const uint8_t *text, uint64_t length);

/* ---- Reading ---- */

typedef struct dit__gguf_tensor {
  char name[64];       /* terminated */
  uint32_t type;       /* DIT__GGUF_* */
  uint32_t rank;       /* 1..4 */
  uint64_t shape[4];   /* slowest first, as PyTorch prints it (the file has it fastest first); 1 beyond the rank */
  uint64_t count;      /* elements */
  const uint8_t *data; /* in the file's bytes, at any alignment */
} dit__gguf_tensor;

typedef struct dit__gguf dit__gguf;

/* Indexes a file in memory. The index is one block from hooks->allocate; names and values point into `bytes`, which must
 * outlive it. On failure *file is NULL, and the message names the key or the tensor. */
dit_status dit__gguf_open(const void *bytes, size_t size, const dit_options *hooks, dit__gguf **file, dit_error *error);
void dit__gguf_close(dit__gguf *file, const dit_options *hooks);
size_t dit__gguf_memory(const dit__gguf *file); /* bytes of the index */

uint64_t dit__gguf_tensor_count(const dit__gguf *file);
const dit__gguf_tensor *dit__gguf_tensor_at(const dit__gguf *file, uint64_t index); /* in the file's order */
const dit__gguf_tensor *dit__gguf_find(const dit__gguf *file, const char *name);    /* NULL: none */

/* Read keys. Return 1 if the key was found, 0 if it is absent, which leaves the output alone, or a negative status with
 * a message if it has another type or is out of range. An integer may be of any integer type or a bool, a real number
 * of any numeric type. */
int dit__gguf_integer(const dit__gguf *file, const char *key, int64_t low, int64_t high, int64_t *value,
                      dit_error *error);
int dit__gguf_real(const dit__gguf *file, const char *key, double *value, dit_error *error);
/* *text becomes `length` bytes of UTF-8 without zero bytes, not terminated. */
int dit__gguf_string(const dit__gguf *file, const char *key, const char **text, size_t *length, dit_error *error);
/* Reads the length of an array. Its strings are read one after the other: *cursor begins at 0 and is advanced; the result
 * is 0 at the end, or if the elements are no strings. Its numbers are read by index: the result is 0 beyond the end, for
 * another type, and for infinities and NaN. */
int dit__gguf_array(const dit__gguf *file, const char *key, uint64_t *count, dit_error *error);
int dit__gguf_array_string(const dit__gguf *file, const char *key, uint64_t *cursor, const char **text, size_t *length);
int dit__gguf_array_real(const dit__gguf *file, const char *key, uint64_t index, double *value);
int dit__gguf_array_integer(const dit__gguf *file, const char *key, uint64_t index, int64_t *value);
/* Returns the bytes of key `index` in the file's order, with its name, type and value; NULL if there is no such key. */
const uint8_t *dit__gguf_key_at(const dit__gguf *file, uint64_t index, const char **name, size_t *length, size_t *size);

#endif
