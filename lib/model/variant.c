/* Names of sizes. */
#include "lib/core/numerics.h"

#include <stdio.h>

#include "lib/model/variant.h"

const dit__variant dit__variants[DIT__VARIANTS] = {
    {"S", 384, 12, 6}, {"B", 768, 12, 12}, {"L", 1024, 24, 16}, {"XL", 1152, 28, 16}, {"H", 1280, 32, 16}};

void dit__variant_name(const char *family, int32_t hidden, int32_t depth, int32_t heads, int32_t patch, char *out,
                       size_t size) {
  for (int32_t i = 0; i < DIT__VARIANTS; i++) {
    const dit__variant *v = &dit__variants[i];
    if (hidden != v->hidden || depth != v->depth || heads != v->heads) continue;
    snprintf(out, size, "%s-%s/%d", family, v->name, patch);
    return;
  }
  snprintf(out, size, "%s %dx%dx%d/%d", family, hidden, depth, heads, patch);
}
