/* The tensors that a pickle of PyTorch describes, in a file of any format. */
#ifndef DIT_CONVERT_STATE_DICT_H
#define DIT_CONVERT_STATE_DICT_H

#include "weights/convert/read/checkpoint.h"
#include "weights/convert/read/pickle.h"

/* What a tensor's persistent identifier says about its storage. */
typedef struct state_dict_storage {
  const char *key; /* not terminated */
  size_t key_length;
  int type;                 /* of its elements */
  uint64_t element;         /* bytes of one */
  uint64_t count;           /* elements; count * element fits in 64 bits */
  const pickle_value *view; /* (key, offset, size) of a storage in a storage, in old files; NULL: none */
} state_dict_storage;

typedef struct state_dict_reader state_dict_reader;
struct state_dict_reader {
  const char *what;   /* names the file in messages */
  const char *format; /* "PyTorch zip checkpoint" */
  dit_error *error;
  /* Finds the bytes of a storage. *stored, its number of elements, becomes less for a view. On failure either *wrong
   * completes the sentence "tensor X ...", or the status has a sentence of its own. */
  dit_status (*find)(const state_dict_reader *r, const state_dict_storage *storage, const uint8_t **data,
                     uint64_t *stored, const char **wrong);
  const void *user;         /* of find */
  int big_endian;           /* 1: storages are big-endian */
  const pickle_value *name; /* of the tensor being read */
  uint64_t size;            /* bytes of the file */
  uint64_t listed;          /* bytes of the tensors so far */
};

/* All names that a checkpoint of tensors and plain values mentions, for pickle_open. */
extern const pickle_global state_dict_names[];

/* Finds the next storage that a pickle mentions; *cursor begins at 0. Returns 0 at the end. */
int state_dict_next_storage(const pickle *p, size_t *cursor, state_dict_storage *out);

/* Lists the floating-point tensors of the state dict in s->tensors; on failure, those that came before. Sets s->kind. The
 * state dict is the whole pickle, or its member under one of the usual names, where moving averages come first. */
dit_status state_dict_list(state_dict_reader *r, const pickle_value *top, checkpoint *s);

#endif
