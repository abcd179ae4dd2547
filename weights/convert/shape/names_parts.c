#include "weights/convert/shape/names_parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/text.h"

dit_status names_fail_memory(const names_reader *r) {
  return dit__fail(r->error, DIT_ERROR_MEMORY, "no memory for the names of tensors");
}

dit_status names_rename_to(const names_reader *r, checkpoint_tensor *t, const char *name) {
  char *copy = text_copy(name, strlen(name));
  if (!copy) return names_fail_memory(r);
  free(t->name);
  t->name = copy;
  return DIT_OK;
}

void names_drop(checkpoint_tensor *t) {
  free(t->name);
  t->name = NULL;
}

const char *names_after(const char *name, const char *prefix) {
  size_t length = strlen(prefix);
  return strncmp(name, prefix, length) ? NULL : name + length;
}

const char *names_take_index(const char *text, int limit, int *out) {
  int value = 0;
  const char *at = text;
  for (; *at >= '0' && *at <= '9'; at++) {
    value = 10 * value + (*at - '0');
    if (value >= limit) return NULL;
  }
  *out = value;
  return at > text && *at == '.' ? at + 1 : NULL;
}

const char *names_translate(const name_pair *pairs, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(pairs[i].from, name) == 0) return pairs[i].to;
  return NULL;
}
