#include "weights/convert/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/text.h"

enum { CHUNK = 1 << 18 }; /* elements compared at a time */

typedef struct named {
  const char *prefix, *name;
  const checkpoint_tensor *tensor;
} named;

static int compare_named(const void *a, const void *b) {
  char x[2][1100];
  const named *n[2] = {(const named *)a, (const named *)b};
  for (int i = 0; i < 2; i++) snprintf(x[i], sizeof x[i], "%s%s", n[i]->prefix, n[i]->name);
  return strcmp(x[0], x[1]);
}

/* Returns all tensors of the inputs, sorted by name; NULL without memory. */
static named *gather(const inputs *in, size_t *count) {
  *count = 0;
  for (int i = 0; i < in->count; i++) *count += in->list[i].s->count;
  named *list = (named *)malloc((*count + 1) * sizeof *list), *at = list;
  for (int i = 0; list && i < in->count; i++)
    for (size_t k = 0; k < in->list[i].s->count; k++, at++) {
      at->prefix = in->list[i].kind == NETWORK_AUTOENCODER ? "vae." : "";
      at->tensor = &in->list[i].s->tensors[k];
      at->name = at->tensor->name;
    }
  if (list) qsort(list, *count, sizeof *list, compare_named);
  return list;
}

static void note_odd(check_result *out, const named *n, const char *what) {
  char shown[TEXT_SHOWN];
  if (!*out->first_odd)
    snprintf(out->first_odd, sizeof out->first_odd, "%s%s %s", n->prefix, text_shown(shown, n->name, strlen(n->name)),
             what);
}

static int is_positions(const named *n) { return !*n->prefix && strcmp(n->name, "pos_embed") == 0; }

static int same_shape(const checkpoint_tensor *a, const checkpoint_tensor *b) {
  int same = a->rank == b->rank;
  for (int i = 0; same && i < a->rank; i++) same = a->shape[i] == b->shape[i];
  return same;
}

typedef struct checking {
  float *values; /* 2 * CHUNK */
  const progress *watch;
  uint64_t done, total; /* elements */
  check_result *out;
  dit_error *error;
} checking;

/* Compares the numbers of a tensor. NaNs and infinities count as an infinite error. */
static dit_status compare(checking *run, const named *a, const named *b) {
  uint64_t count = checkpoint_elements(a->tensor);
  double difference = 0, size = 0;
  int equal = 1;
  for (uint64_t first = 0; first < count; first += CHUNK) {
    uint64_t n = count - first < CHUNK ? count - first : CHUNK;
    float *x = run->values, *y = run->values + CHUNK;
    checkpoint_read(a->tensor, first, n, x);
    checkpoint_read(b->tensor, first, n, y);
    for (uint64_t i = 0; i < n; i++) {
      double d = (double)x[i] - (double)y[i];
      difference += d * d;
      size += (double)x[i] * (double)x[i];
    }
    equal &= memcmp(x, y, (size_t)n * sizeof *x) == 0;
    run->done += n;
    if (run->watch && run->watch->report(run->watch->user, run->done, run->total))
      return dit__fail(run->error, DIT_CANCELLED, "interrupted");
  }
  double relative = difference == 0 ? 0 : size > 0 ? sqrt(difference / size) : INFINITY;
  if (!(relative < INFINITY)) relative = INFINITY;
  run->out->compared++;
  run->out->equal += (size_t)equal;
  if (relative > run->out->worst || !*run->out->worst_name) {
    run->out->worst = relative;
    snprintf(run->out->worst_name, sizeof run->out->worst_name, "%s%.60s", a->prefix, a->name);
  }
  return DIT_OK;
}

/* Walks both sorted lists side by side. */
static dit_status walk(checking *run, const named *a, size_t a_count, const named *b, size_t b_count) {
  check_result *out = run->out;
  size_t i = 0, k = 0;
  while (i < a_count || k < b_count) {
    int order = i == a_count ? 1 : k == b_count ? -1 : compare_named(&a[i], &b[k]);
    if (order) {
      const named *lone = order < 0 ? &a[i++] : &b[k++];
      if (is_positions(lone)) continue;
      (*(order < 0 ? &out->only_a : &out->only_b))++;
      note_odd(out, lone, order < 0 ? "is only in the first" : "is only in the second");
      continue;
    }
    if (same_shape(a[i].tensor, b[k].tensor)) {
      dit_status status = compare(run, &a[i], &b[k]);
      if (status) return status;
    } else {
      out->misshapen++;
      note_odd(out, &a[i], "has two shapes");
    }
    i++;
    k++;
  }
  return DIT_OK;
}

dit_status check_files(const inputs *a, const inputs *b, const progress *watch, check_result *out, dit_error *error) {
  size_t a_count, b_count;
  named *first = gather(a, &a_count), *second = gather(b, &b_count);
  checking run = {(float *)malloc(2 * CHUNK * sizeof(float)), watch, 0, 0, out, error};
  memset(out, 0, sizeof *out);
  dit_status status = DIT_ERROR_MEMORY;
  for (size_t i = 0; first && i < a_count; i++) run.total += checkpoint_elements(first[i].tensor);
  if (first && second && run.values)
    status = walk(&run, first, a_count, second, b_count);
  else
    dit__fail(error, status, "no memory for the list of tensors");
  free(first);
  free(second);
  free(run.values);
  return status;
}
