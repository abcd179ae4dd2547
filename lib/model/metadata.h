/* The keys of a model file, read with their ranges and words (docs/convert.md lists them). */
#ifndef DIT_METADATA_H
#define DIT_METADATA_H

#include "lib/core/names.h"
#include "lib/model/gguf.h"

enum { DIT__MAX_KEYS = 96 };

/* A file whose keys are read one after the other. After a failure, which is kept here, nothing more is read. */
typedef struct dit__metadata {
  const dit__gguf *gguf;
  dit_error *error;
  dit_status status;
  int32_t asked_count;
  const char *asked[DIT__MAX_KEYS]; /* the keys that were asked for, whether the file has them or not */
} dit__metadata;

/* An integer of low to high: one that must be there, or one that is `otherwise` if it is not. */
int64_t dit__key_integer(dit__metadata *keys, const char *key, int64_t low, int64_t high);
int64_t dit__key_integer_or(dit__metadata *keys, const char *key, int64_t low, int64_t high, int64_t otherwise);
double dit__key_real_or(dit__metadata *keys, const char *key, double otherwise);
/* Copies a string into to[size]; a string that is too long is cut between characters. `to` stays as it is if the key is
 * absent. */
void dit__key_text(dit__metadata *keys, const char *key, char *to, size_t size);
/* Returns the value that a key names of a public enum; 0 if the key is absent. */
int32_t dit__key_enum(dit__metadata *keys, const char *key, dit__enum which);
/* Returns the index of the word that a key holds in `words`, which end with NULL; 0 if the key is absent. */
int32_t dit__key_word(dit__metadata *keys, const char *key, const char *const *words);

/* Finds an array, and returns 1 with its length, or 0 if the key is absent. */
int32_t dit__key_array(dit__metadata *keys, const char *key, uint64_t *count);

/* Fails if the file has a key "dit..." or "vae..." that nobody asked for: it would change what the model is. */
void dit__key_refuse_others(dit__metadata *keys);

/* Words of keys that stand for no public enum, in the order of these values. */
enum { DIT__FORWARD_OFFICIAL = 0, DIT__FORWARD_DIFFUSERS = 1 };
extern const char *const dit__forward_words[]; /* of dit.forward */
enum { DIT__BETAS_LINEAR = 0, DIT__BETAS_SCALED_LINEAR = 1 };
extern const char *const dit__beta_schedule_words[]; /* of dit.beta_schedule */
extern const char *const dit__path_words[];          /* of dit.path: dit__path */
extern const char *const dit__prediction_words[];    /* of dit.prediction_type: dit__prediction */
extern const char *const dit__second_time_words[];   /* of dit.second_time: dit__second_time */

#endif
