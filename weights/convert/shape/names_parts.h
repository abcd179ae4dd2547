/* What the translations of names share. */
#ifndef DIT_CONVERT_NAMES_PARTS_H
#define DIT_CONVERT_NAMES_PARTS_H

#include "weights/convert/read/checkpoint.h"

typedef struct names_reader {
  checkpoint *s;
  dit_error *error;
  int diffusers, former, compvis; /* what was found */
} names_reader;

typedef struct name_pair {
  const char *from, *to;
} name_pair;

dit_status names_fail_memory(const names_reader *r);
dit_status names_rename_to(const names_reader *r, checkpoint_tensor *t, const char *name);
/* Drops a tensor: its name becomes NULL, and names.c removes it later. */
void names_drop(checkpoint_tensor *t);

const char *names_after(const char *name, const char *prefix); /* returns what follows, or NULL */
/* Takes a number below `limit` and a point. Returns what follows, or NULL. */
const char *names_take_index(const char *text, int limit, int *out);
/* Returns what a name is translated to, or NULL if it is not in the list. */
const char *names_translate(const name_pair *pairs, size_t count, const char *name);
#define NAMES_TRANSLATE(pairs, name) names_translate(pairs, sizeof(pairs) / sizeof *(pairs), name)

#endif
