/* Classifier-free guidance: see guidance.h. */
#include "lib/core/numerics.h"

#include "lib/sampling/guidance.h"

void dit__guide(int64_t n, float scale, float *conditional, const float *unconditional) {
  for (int64_t i = 0; i < n; i++) {
    const double base = (double)unconditional[i];
    conditional[i] = (float)(base + (double)scale * ((double)conditional[i] - base));
  }
}
