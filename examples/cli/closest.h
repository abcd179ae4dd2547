/* Which known names are close to a misspelt one. */
#ifndef CLI_CLOSEST_H
#define CLI_CLOSEST_H

#include <stddef.h>

enum { CLOSEST_KEPT = 3 };

typedef struct closest { /* begins as zeroes */
  int count;
  struct {
    const char *name; /* the caller's */
    int distance;
  } best[CLOSEST_KEPT]; /* nearest first */
} closest;

/* Takes `name` in if it is near enough to the `length` bytes of `wanted`. */
void closest_offer(closest *c, const char *wanted, size_t length, const char *name);

/* "" or " (did you mean A, B or C?)" with `prefix` before each name; returns `text`. */
const char *closest_sentence(const closest *c, const char *prefix, char *text, size_t size);

#endif
