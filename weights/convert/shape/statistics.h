/* The mean and the deviation of each channel of the latents that a transformer learned, with which the latents of some
 * autoencoders are brought to mean 0 and deviation 1: a file of two tensors, mean and std (LightningDiT and FACM,
 * latents_stats.pt). */
#ifndef DIT_CONVERT_STATISTICS_H
#define DIT_CONVERT_STATISTICS_H

#include "weights/convert/read/checkpoint.h"

/* Returns whether a checkpoint is such a file. */
int statistics_are(const checkpoint *s);

/* The 1x1 convolutions on both sides of a latent of C channels. */
typedef struct latent_convs {
  float *quant, *quant_bias;           /* [2C][2C], [2C]: of the encoder, before mean and logarithm of the variance */
  float *post_quant, *post_quant_bias; /* [C][C], [C]: of the decoder */
} latent_convs;

/* Folds the statistics into the convolutions, so that the autoencoder itself takes and makes latents of mean 0 and
 * deviation 1: decoding begins with z * std + mean, encoding ends with (z - mean) / std. */
dit_status statistics_fold(const checkpoint *s, int64_t channels, const latent_convs *convs, dit_error *error);

#endif
