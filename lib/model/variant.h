/* The sizes that have a name (Peebles & Xie 2022, table 1; H of JiT). */
#ifndef DIT_VARIANT_H
#define DIT_VARIANT_H

#include <stddef.h>
#include <stdint.h>

typedef struct dit__variant {
  const char *name; /* "XL" */
  int32_t hidden, depth, heads;
} dit__variant;

enum { DIT__VARIANTS = 5 };
extern const dit__variant dit__variants[DIT__VARIANTS];

/* Writes "DiT-XL/2" of the family "DiT", or "DiT 192x8x3/2" (hidden, depth, heads, patch) for a geometry without a name. */
void dit__variant_name(const char *family, int32_t hidden, int32_t depth, int32_t heads, int32_t patch, char *out,
                       size_t size);

#endif
