/* The keys of an autoencoder. */
#include "lib/core/numerics.h"

#include "lib/core/error.h"
#include "lib/model/keys_vae.h"

/* Whether the file has a half: by a tensor of either end, so that a file that lacks the other is refused. */
static int keys_has_coder(const dit__gguf *gguf, const char *first, const char *last) {
  return dit__gguf_find(gguf, first) || dit__gguf_find(gguf, last);
}

/* Reads vae.block_channels, which has a number for each level. */
static void keys_widths(dit__metadata *keys, dit__vae *vae, uint64_t levels) {
  if (!keys->status && (levels < 1 || levels > DIT__MAX_VAE_LEVELS))
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT, "key vae.block_channels: %llu levels, expected 1 to %d",
                             (unsigned long long)levels, DIT__MAX_VAE_LEVELS);
  for (uint64_t i = 0; i < levels && !keys->status; i++) {
    int64_t width = 0;
    if (!dit__gguf_array_integer(keys->gguf, "vae.block_channels", i, &width) || width < 1 ||
        width > DIT__MAX_VAE_WIDTH || width % vae->groups)
      keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT,
                               "key vae.block_channels: each must be a number of 1 to %d and a multiple of vae.groups",
                               DIT__MAX_VAE_WIDTH);
    vae->width[i] = (int32_t)width;
  }
  vae->levels = (int32_t)levels;
  vae->scale_factor = keys->status ? 1 : 1 << (levels - 1);
}

void dit__keys_autoencoder(dit__metadata *keys, dit__vae *vae) {
  uint64_t levels = 0;
  if (keys->status) return;
  const int32_t found = dit__key_array(keys, "vae.block_channels", &levels);
  vae->has_decoder = keys_has_coder(keys->gguf, "vae.decoder.conv_in.weight", "vae.decoder.conv_out.weight");
  vae->has_encoder = keys_has_coder(keys->gguf, "vae.encoder.conv_in.weight", "vae.encoder.conv_out.weight");
  if (keys->status) return;
  if (!found && (vae->has_decoder || vae->has_encoder))
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT,
                             "key vae.block_channels is missing; was the file made by dit-convert?");
  if (!found || keys->status) return;
  vae->groups = (int32_t)dit__key_integer(keys, "vae.groups", 1, DIT__MAX_GROUPS);
  keys_widths(keys, vae, levels);
  vae->layers = (int32_t)dit__key_integer(keys, "vae.layers", 1, DIT__MAX_VAE_LAYERS - 1);
  vae->image_channels = (int32_t)dit__key_integer(keys, "vae.image_channels", 3, 4);
  vae->channels = (int32_t)dit__key_integer(keys, "vae.latent_channels", 1, DIT__MAX_CHANNELS);
  vae->level_attention = (int32_t)dit__key_integer_or(keys, "vae.level_attention", 0, 1, 0);
  vae->scaling = dit__key_real_or(keys, "vae.scaling_factor", 0.18215);
  if (!keys->status && !(vae->scaling >= 1e-6 && vae->scaling <= 1e6))
    keys->status =
        dit__fail(keys->error, DIT_ERROR_FORMAT, "key vae.scaling_factor must be one millionth to one million");
}
