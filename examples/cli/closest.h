/* Suggestions for a misspelt name: the known names that are closest to it. */
#ifndef CLI_CLOSEST_H
#define CLI_CLOSEST_H

#include <stddef.h>

enum { MAX_CLOSEST = 3 };

typedef struct closest { /* must be zeroed at first */
  int count;
  struct {
    const char *name; /* belongs to the caller */
    int distance;
  } best[MAX_CLOSEST]; /* the closest one first */
} closest;

/* Adds `name` if it is close to the first `length` bytes of `wanted`, and closer than what it replaces. */
void closest_offer(closest *c, const char *wanted, size_t length, const char *name);

/* Writes " (did you mean A, B or C?)" to `text`, or nothing if no name was close, and returns it. Each name gets
 * `prefix` before it. */
const char *closest_sentence(const closest *c, const char *prefix, char *text, size_t size);

#endif
