#include "weights/convert/shape/match.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/shape/families.h"

static int compare_names(const void *a, const void *b) {
  return strcmp((*(const checkpoint_tensor *const *)a)->name, (*(const checkpoint_tensor *const *)b)->name);
}

static void shape_text(int rank, const uint64_t *shape, char *out, size_t room) {
  size_t used = (size_t)snprintf(out, room, "[");
  for (int i = 0; i < rank && used < room; i++)
    used += (size_t)snprintf(out + used, room - used, "%s%" PRIu64, i ? ", " : "", shape[i]);
  if (used < room) snprintf(out + used, room - used, "]");
}

/* What is wrong with a checkpoint: ten lines, and the number of further ones. */
typedef struct findings {
  char *report;
  size_t room, used;
  int missing, surplus, misshapen;
} findings;

static void note_finding(findings *f, const char *format, ...) {
  va_list arguments;
  int lines = f->missing + f->surplus + f->misshapen;
  if (lines > 10 || f->used >= f->room) return;
  va_start(arguments, format);
  int length = vsnprintf(f->report + f->used, f->room - f->used, format, arguments);
  va_end(arguments);
  if (length > 0) f->used += (size_t)length;
}

static int same_shape(const dit__tensor *e, const checkpoint_tensor *t) {
  int same = (int)e->rank == t->rank;
  for (int i = 0; same && i < t->rank; i++) same = e->shape[i] == t->shape[i];
  return same;
}

static const checkpoint_tensor *match_one(const dit__tensor *e, const checkpoint_tensor **sorted, size_t count,
                                          const char *no_bias, uint8_t *used, findings *f) {
  const char *name = layout_own_name(e);
  char have[160], want[96];
  checkpoint_tensor key;
  const checkpoint_tensor *wanted = &key;
  key.name = (char *)(uintptr_t)name;
  const checkpoint_tensor **hit =
      (const checkpoint_tensor **)bsearch(&wanted, sorted, count, sizeof *sorted, compare_names);
  if (!hit) {
    if (e->role == DIT__ROLE_POSITIONS && strcmp(name, "pos_embed") == 0) return NULL;
    if (e->role == DIT__ROLE_BIAS && no_bias && strncmp(name, no_bias, strlen(no_bias)) == 0) return NULL;
    f->missing++;
    note_finding(f, "  missing: %s\n", name);
    return NULL;
  }
  used[hit - sorted] = 1;
  if (same_shape(e, *hit)) return *hit;
  f->misshapen++;
  shape_text((*hit)->rank, (*hit)->shape, have, sizeof have);
  shape_text((int)e->rank, e->shape, want, sizeof want);
  note_finding(f, "  wrong shape: %s is %s, expected %s\n", name, have, want);
  return NULL;
}

dit_status match_tensors(const dit__tensor *expected, size_t count, const checkpoint *s, const char *no_bias,
                         const checkpoint_tensor **found, char *report, size_t room, dit_error *error) {
  findings f = {report, room, 0, 0, 0, 0};
  *report = 0;
  const checkpoint_tensor **sorted = (const checkpoint_tensor **)malloc((s->count + 1) * sizeof *sorted);
  uint8_t *used = (uint8_t *)calloc(s->count + 1, 1);
  if (!sorted || !used) {
    free(sorted);
    free(used);
    return dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors");
  }
  for (size_t i = 0; i < s->count; i++) sorted[i] = &s->tensors[i];
  qsort(sorted, s->count, sizeof *sorted, compare_names);
  for (size_t i = 0; i < count; i++) found[i] = match_one(&expected[i], sorted, s->count, no_bias, used, &f);
  for (size_t i = 0; i < s->count; i++) {
    if (used[i] || family_trains_with(sorted[i]->name)) continue;
    f.surplus++;
    note_finding(&f, "  surplus: %s\n", sorted[i]->name);
  }
  free(sorted);
  free(used);
  int wrong = f.missing + f.surplus + f.misshapen;
  if (!wrong) return DIT_OK;
  if (wrong > 10 && f.used < room) snprintf(report + f.used, room - f.used, "  and %d more\n", wrong - 10);
  return dit__fail(error, DIT_ERROR_FORMAT, "of %d tensors expected, %d missing, %d of the wrong shape; %d surplus",
                   (int)count, f.missing, f.misshapen, f.surplus);
}
