#include "weights/convert/shape/statistics.h"

#include <math.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/model/model.h"

int statistics_are(const checkpoint *s) {
  return s->count == 2 && checkpoint_find(s, "mean") && checkpoint_find(s, "std");
}

static dit_status read_statistic(const checkpoint *s, const char *name, int64_t channels, float *out,
                                 dit_error *error) {
  const checkpoint_tensor *t = checkpoint_find(s, name);
  if (checkpoint_elements(t) != (uint64_t)channels)
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: has %llu numbers, but the autoencoder's latents %d channels",
                     name, (unsigned long long)checkpoint_elements(t), (int)channels);
  checkpoint_read(t, 0, (uint64_t)channels, out);
  for (int64_t c = 0; c < channels; c++)
    if (!(fabsf(out[c]) <= 1e6f) || (*name == 's' && !(out[c] >= 1e-6f)))
      return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: number %d is %g, which no latent has", name, (int)c,
                       (double)out[c]);
  return DIT_OK;
}

dit_status statistics_fold(const checkpoint *s, int64_t channels, const latent_convs *convs, dit_error *error) {
  float mean[DIT__MAX_CHANNELS], std[DIT__MAX_CHANNELS];
  dit_status status = read_statistic(s, "mean", channels, mean, error);
  if (!status) status = read_statistic(s, "std", channels, std, error);
  if (status) return status;
  for (int64_t o = 0; o < channels; o++) { /* W (z std + mean) + b */
    double bias = convs->post_quant_bias[o];
    for (int64_t c = 0; c < channels; c++) {
      float *w = &convs->post_quant[o * channels + c];
      bias += (double)*w * mean[c];
      *w = (float)((double)*w * std[c]);
    }
    convs->post_quant_bias[o] = (float)bias;
  }
  for (int64_t o = 0; o < channels; o++) { /* (W x + b - mean) / std, and the logarithm of the variance by std^2 */
    for (int64_t c = 0; c < 2 * channels; c++) convs->quant[o * 2 * channels + c] /= std[o];
    convs->quant_bias[o] = (float)(((double)convs->quant_bias[o] - mean[o]) / std[o]);
    convs->quant_bias[channels + o] = (float)((double)convs->quant_bias[channels + o] - 2 * log((double)std[o]));
  }
  return DIT_OK;
}
