/* Checkpoints of other networks: the message names the network.
 *
 * It fails if one is taken for a network that libdit runs, or is refused for another reason. */
#include <stdio.h>

#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/convert/shape/inputs.h"

/* One tensor of each published layout: U-ViT, libs/uvit.py; MDTv2, masked_diffusion/models.py; Stable Diffusion 3, Flux,
 * PixArt, Sana, iMF, Stable Diffusion, ADM, VQGAN, TAESD, T5 and CLIP as their authors or diffusers publish them. */
static const struct {
  const char *tensor, *network;
} cases[] = {
    {"in_blocks.0.attn.qkv.weight", "a U-ViT"},
    {"module.en_inblocks.3.attn.qkv.weight", "an MDT"},
    {"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "an MM-DiT"},
    {"double_blocks.0.img_attn.qkv.weight", "a Flux"},
    {"single_transformer_blocks.0.attn.to_q.weight", "a Flux"},
    {"t_block.1.weight", "a PixArt"},
    {"adaln_single.linear.weight", "a PixArt or Sana"},
    {"net.shared_blocks.0.attn.q_proj._flax_linear.weight", "an iMF or a pMF"},
    {"down_blocks.0.resnets.0.time_emb_proj.weight", "a U-Net"},
    {"input_blocks.0.0.weight", "a U-Net"},
    {"quantize.embedding.weight", "a VQ autoencoder"},
    {"3.conv.0.weight", "a TAESD"},
    {"decoder.layers.3.conv.0.weight", "a TAESD"},
    {"encoder.block.0.layer.0.SelfAttention.q.weight", "a T5"},
    {"text_model.encoder.layers.0.mlp.fc1.weight", "a CLIP"},
};

/* Writes a checkpoint of one tensor, and beside it, if asked, one that DiT has, too. */
static int write_checkpoint(const char *path, const char *tensor, int with_dit) {
  char header[400];
  const float zero[2] = {0};
  const int length =
      snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}%s}", tensor,
               with_dit ? ",\"x_embedder.proj.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}" : "");
  const uint64_t size = (uint64_t)length;
  FILE *to = fopen(path, "wb");
  if (!to) return 0;
  for (int i = 0; i < 8; i++) fputc((int)(size >> 8 * i & 255), to);
  fwrite(header, 1, (size_t)length, to);
  fwrite(zero, sizeof(float), with_dit ? 2 : 1, to);
  return fclose(to) == 0;
}

static void refuse(const char *tensor, const char *network, int with_dit) {
  char path[512];
  inputs in;
  dit_error error = {0};
  memset(&in, 0, sizeof in);
  CHECK(write_checkpoint(synthetic_path(path, sizeof path, "other"), tensor, with_dit), "%s", path);
  const dit_status status = inputs_add(&in, path, 0, NULL, &error);
  CHECK(status == DIT_ERROR_UNSUPPORTED && strstr(error.message, network) && strstr(error.message, "does not run"),
        "%s: '%s'", tensor, error.message);
  inputs_free(&in);
  remove(path);
}

int main(void) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) refuse(cases[i].tensor, cases[i].network, 0);
  refuse("t_block.1.weight", "a PixArt", 1);
  return test_end("test_unsupported");
}
