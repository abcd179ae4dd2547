#include "weights/convert/shape/unsupported.h"

#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/text.h"

/* Each marker is a part of a tensor's name, at the beginning or behind a period. */
static const struct {
  const char *marker, *network;
} networks[] = {
    {"in_blocks.", "a U-ViT"},
    {"en_inblocks.", "an MDT (masked diffusion transformer)"},
    {"joint_blocks.", "an MM-DiT, as in Stable Diffusion 3"},
    {"double_blocks.", "a Flux transformer"},
    {"single_transformer_blocks.", "a Flux transformer"},
    {"t_block.", "a PixArt transformer"},
    {"adaln_single.", "a PixArt or Sana transformer"},
    {"shared_blocks.", "an iMF or a pMF"},
    {"time_emb_proj.", "a U-Net, as in Stable Diffusion"},
    {"input_blocks.", "a U-Net, as in Stable Diffusion or ADM"},
    {"quantize.embedding.", "a VQ autoencoder, whose latents are entries of a codebook"},
    {"encoder.layers.1.conv.", "a TAESD"},
    {"decoder.layers.3.conv.", "a TAESD"},
    {"3.conv.0.", "a TAESD"},
    {"SelfAttention.", "a T5 text encoder"},
    {"text_model.encoder.", "a CLIP text encoder"},
};

static int has_marker(const char *name, const char *marker) {
  const size_t length = strlen(marker);
  for (const char *at = name; at; at = strchr(at, '.'), at = at ? at + 1 : NULL)
    if (strncmp(at, marker, length) == 0) return 1;
  return 0;
}

dit_status unsupported_check(const checkpoint *s, dit_error *error) {
  char shown[TEXT_SHOWN];
  for (size_t i = 0; i < s->count; i++)
    for (size_t k = 0; k < sizeof networks / sizeof *networks; k++)
      if (has_marker(s->tensors[i].name, networks[k].marker))
        return dit__fail(error, DIT_ERROR_UNSUPPORTED, "this is %s, which libdit does not run (it has a tensor %s)",
                         networks[k].network, text_shown(shown, s->tensors[i].name, strlen(s->tensors[i].name)));
  return DIT_OK;
}
