/* The tensors that a network consists of. Each family of networks lists them once, in a file of its own (list_dit.c,
 * list_vae.c); that list checks and loads model files, and serves dit-convert for finding the tensors in checkpoints,
 * for synthetic weights and for choosing how each tensor is stored. */
#ifndef DIT_TENSOR_LIST_H
#define DIT_TENSOR_LIST_H

#include "lib/model/model.h"

typedef enum dit__tensor_role {
  DIT__ROLE_LINEAR,    /* weight [rows][k] of a linear layer */
  DIT__ROLE_CONV,      /* weight [rows][channels][side][side] of a convolution */
  DIT__ROLE_PATCHES,   /* likewise, with a stride of `side`: a linear layer on patches, whose k keep the file's order */
  DIT__ROLE_NORM,      /* weight [channels] of a norm */
  DIT__ROLE_BIAS,      /* [rows] of a layer, or [channels] of a norm */
  DIT__ROLE_EMBEDDING, /* table [entries][k], of which entries are looked up */
  DIT__ROLE_POSITIONS  /* table [1][tokens][k], which is added to the tokens */
} dit__tensor_role;

/* Which linear layer of a transformer's block it belongs to; rounding to q4 spends bits by it. */
typedef enum dit__tensor_part {
  DIT__PART_OTHER,
  DIT__PART_QKV,
  DIT__PART_PROJ,
  DIT__PART_FC1,
  DIT__PART_FC2,
  DIT__PART_MODULATION
} dit__tensor_part;

enum {
  DIT__LARGE = 1, /* one of the matrices that make up most of a transformer; q8 and q4 narrow them alone */
  DIT__SELDOM = 2 /* used once for a picture or a step, so that keeping it packed would waste memory */
};

typedef struct dit__tensor {
  char name[64]; /* in the model file */
  uint32_t rank;
  uint64_t shape[4]; /* slowest first; 1 beyond the rank */
  dit__tensor_role role;
  dit__tensor_part part;
  int32_t flags;  /* DIT__LARGE, DIT__SELDOM */
  int32_t block;  /* of a transformer's blocks, or -1 */
  int32_t stride; /* of a convolution */
  union { /* what it fills in the network that was listed, by role; NULL where that has no room for weights yet */
    dit__matrix *matrix;   /* LINEAR, CONV, PATCHES */
    dit__weights *weights; /* EMBEDDING, POSITIONS */
    const float **vector;  /* NORM, BIAS */
  } into;
} dit__tensor;

uint64_t dit__tensor_elements(const dit__tensor *tensor);

/* ---- Listing ---- */

/* Receives the tensors one at a time; anything but DIT_OK ends the listing. */
typedef dit_status dit__tensor_visit(void *user, const dit__tensor *tensor);

/* List a network whose geometry was checked, in the order of its file. Nothing in it is changed. */
dit_status dit__list_transformer(dit__transformer *dit, dit__tensor_visit *visit, void *user);
dit_status dit__list_autoencoder(dit__vae *vae, dit__tensor_visit *visit, void *user);

/* ---- For the files that list a family ---- */

typedef struct dit__tensor_list {
  dit__tensor_visit *visit;
  void *user;
  dit_status status; /* of the first visit that failed; nothing is visited after it */
  int32_t block;     /* of the tensors that follow, or -1 */
  char prefix[48];   /* of their names */
} dit__tensor_list;

dit__tensor_list dit__list_begin(dit__tensor_visit *visit, void *user);
/* Sets the prefix of the names that follow. */
void dit__list_prefix(dit__tensor_list *list, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* NAME.weight and NAME.bias, if the name is not a table's. The last parameter is NULL or what the tensors fill. */
void dit__list_linear(dit__tensor_list *list, const char *name, int64_t rows, int64_t k, dit__tensor_part part,
                      int32_t flags, dit__matrix *matrix);
void dit__list_conv(dit__tensor_list *list, const char *name, int64_t in, int64_t out, int64_t side, int32_t stride,
                    dit__matrix *matrix);
void dit__list_patches(dit__tensor_list *list, const char *name, int64_t in, int64_t out, int64_t side,
                       dit__matrix *matrix);
/* biased: 0 for norms without a bias. */
void dit__list_norm(dit__tensor_list *list, const char *name, int64_t channels, int32_t biased, dit__norm *norm);
void dit__list_embedding(dit__tensor_list *list, const char *name, int64_t entries, int64_t k, dit__weights *table);
void dit__list_positions(dit__tensor_list *list, const char *name, int64_t tokens, int64_t k, dit__weights *table);

/* A member of a struct that may not be there yet. */
#define DIT__MEMBER(of, member) ((of) ? &(of)->member : NULL)

#endif
