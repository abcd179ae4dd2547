/* The autoencoder, both ways: its layers in order (Rombach et al. 2022; formulas as in docs/numerics.md). */
#include "lib/core/numerics.h"

#include <math.h>

#include "lib/nets/autoencoder.h"
#include "lib/nets/vae_bands.h"
#include "lib/nets/vae_layers.h"

void dit__plan_decode(dit__plan *plan, const dit__vae *vae, int32_t height, int32_t width, const float *latent,
                      double factor, size_t budget, float *image) {
  const dit__vae_coder *coder = vae->decoder;
  const int32_t norms = budget == SIZE_MAX ? 1 : 2 * coder->resnets + 3;
  dit__vae_run run = dit__vae_begin(plan, vae, coder, norms, height, width);
  run.image = image;
  run.x = dit__vae_alloc(&run, height, width, vae->channels);
  dit__vae_from_planes(&run, latent, vae->channels, (float)factor, run.x);
  dit__vae_conv_1x1(&run, &coder->quant);
  dit__vae_conv_in(&run, coder);
  dit__vae_mid_block_layers(&run, &coder->mid_block, coder->width[0]);
  for (int32_t i = 0; i < vae->levels; i++)
    if (budget == SIZE_MAX || dit__vae_attends(vae, 1, i))
      dit__vae_decoder_level(&run, i);
    else
      dit__vae_banded_level(&run, i, budget);
  dit__vae_end(&run);
}

void dit__plan_encode(dit__plan *plan, const dit__vae *vae, int32_t height, int32_t width, const float *image,
                      float *mean, float *logvar) {
  const dit__vae_coder *coder = vae->encoder;
  const int32_t channels = vae->channels, last = vae->levels - 1;
  dit__vae_run run = dit__vae_begin(plan, vae, coder, 1, height, width);
  run.x = dit__vae_alloc(&run, height, width, vae->image_channels);
  dit__vae_from_planes(&run, image, vae->image_channels, 1, run.x);
  dit__vae_conv_in(&run, coder);
  for (int32_t i = 0; i <= last; i++) {
    dit__vae_level(&run, coder, i, dit__vae_attends(vae, 0, i));
    if (i < last) dit__vae_downsample(&run, &coder->resample[i]);
  }
  dit__vae_mid_block_layers(&run, &coder->mid_block, coder->width[last]);
  dit__vae_conv_out(&run, coder);
  dit__vae_conv_1x1(&run, &coder->quant);
  if (mean) dit__vae_to_planes(&run, run.x, channels, 2 * channels, -INFINITY, INFINITY, mean);
  if (logvar) dit__vae_to_planes(&run, run.x + channels, channels, 2 * channels, -30.0f, 20.0f, logvar);
  dit__vae_end(&run);
}
