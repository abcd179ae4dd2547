/* How far two models are from each other: the same pass by both. */
#ifndef DIT_TEST_DIFFERENCE_H
#define DIT_TEST_DIFFERENCE_H

#include <math.h>
#include <stdlib.h>

#include "dit.h"
#include "tests/forward.h"

/* The relative L2 difference of a pass over two samples; NaN if one failed. */
static double pass_difference(const dit_model *a, const dit_model *b) {
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(a, &info);
  const int32_t side = info.latent_size, classes[2] = {1, -1};
  const size_t in = 2 * (size_t)info.latent_channels * (size_t)side * (size_t)side, out = in * 2;
  float *x = (float *)malloc(in * sizeof(float)), *y[2];
  const float t[2] = {700, 120};
  double error = 0, size = 0;
  int failed = 0;
  dit_rng *rng;
  dit_rng_open(0, 5, &rng, NULL);
  dit_rng_normal(rng, (int64_t)in, x);
  dit_rng_close(rng);
  for (int i = 0; i < 2; i++) {
    y[i] = (float *)calloc(out, sizeof(float));
    failed |= forward(i ? b : a, 2, side, side, x, t, classes, y[i], NULL) != DIT_OK;
  }
  for (size_t i = 0; i < out; i++) {
    error += ((double)y[1][i] - y[0][i]) * ((double)y[1][i] - y[0][i]);
    size += (double)y[0][i] * y[0][i];
  }
  free(x);
  free(y[0]);
  free(y[1]);
  return failed ? (double)NAN : sqrt(error / size);
}

#endif
