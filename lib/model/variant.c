/* Names of sizes. */
#include "lib/core/numerics.h"

#include <stdio.h>

#include "lib/model/variant.h"

const dit__variant dit__variants[DIT__VARIANTS] = {
    {"S", 384, 12, 6}, {"B", 768, 12, 12}, {"L", 1024, 24, 16}, {"XL", 1152, 28, 16}};

void dit__variant_name(int32_t hidden, int32_t depth, int32_t heads, int32_t patch, char *out, size_t size) {
  for (int32_t i = 0; i < DIT__VARIANTS; i++) {
    const dit__variant *v = &dit__variants[i];
    if (hidden != v->hidden || depth != v->depth || heads != v->heads) continue;
    snprintf(out, size, "DiT-%s/%d", v->name, patch);
    return;
  }
  snprintf(out, size, "DiT %dx%dx%d/%d", hidden, depth, heads, patch);
}
