/* The tensors of AutoencoderKL, under diffusers' current names with "vae." before them. */
#include "lib/core/numerics.h"

#include <stdio.h>

#include "lib/model/tensor_list.h"

static void list_resnet(dit__tensor_list *list, int64_t in, int64_t out, dit__resnet *resnet) {
  dit__list_norm(list, "norm1", in, 1, DIT__MEMBER(resnet, norm1));
  dit__list_conv(list, "conv1", in, out, 3, 1, DIT__MEMBER(resnet, conv1));
  dit__list_norm(list, "norm2", out, 1, DIT__MEMBER(resnet, norm2));
  dit__list_conv(list, "conv2", out, out, 3, 1, DIT__MEMBER(resnet, conv2));
  if (in != out) dit__list_conv(list, "conv_shortcut", in, out, 1, 1, DIT__MEMBER(resnet, shortcut));
}

static void list_attention(dit__tensor_list *list, int64_t width, dit__vae_attention *attention) {
  dit__list_norm(list, "group_norm", width, 1, DIT__MEMBER(attention, norm));
  dit__list_linear(list, "to_q", width, width, DIT__PART_OTHER, 0, DIT__MEMBER(attention, q));
  dit__list_linear(list, "to_k", width, width, DIT__PART_OTHER, 0, DIT__MEMBER(attention, k));
  dit__list_linear(list, "to_v", width, width, DIT__PART_OTHER, 0, DIT__MEMBER(attention, v));
  dit__list_linear(list, "to_out.0", width, width, DIT__PART_OTHER, 0, DIT__MEMBER(attention, out));
}

static void list_mid_block(dit__tensor_list *list, const char *side, int64_t width, dit__vae_mid_block *mid) {
  dit__list_prefix(list, "vae.%s.mid_block.attentions.0.", side);
  list_attention(list, width, DIT__MEMBER(mid, attention));
  for (int i = 0; i < 2; i++) {
    dit__list_prefix(list, "vae.%s.mid_block.resnets.%d.", side, i);
    list_resnet(list, width, width, DIT__MEMBER(mid, resnet[i]));
  }
}

/* Both halves have the same parts; a decoder's levels have one resnet more, and upsamplers. */
static void list_coder(dit__tensor_list *list, const dit__vae *vae, int32_t decoder, dit__vae_coder *coder) {
  const char *side = decoder ? "decoder" : "encoder", *way = decoder ? "up" : "down";
  const int32_t last = vae->levels - 1;
  const int64_t in = decoder ? vae->channels : vae->image_channels;
  const int64_t out = decoder ? vae->image_channels : 2 * vae->channels;
  dit__list_prefix(list, "vae.%s.", side);
  dit__list_conv(list, "conv_in", in, dit__vae_width(vae, decoder, 0), 3, 1, DIT__MEMBER(coder, conv_in));
  for (int32_t i = 0; i <= last && !list->status; i++) {
    const int64_t width = dit__vae_width(vae, decoder, i);
    for (int32_t j = 0; j < vae->layers + decoder; j++) {
      dit__list_prefix(list, "vae.%s.%s_blocks.%d.resnets.%d.", side, way, i, j);
      list_resnet(list, j || !i ? width : dit__vae_width(vae, decoder, i - 1), width, DIT__MEMBER(coder, level[i][j]));
      if (!dit__vae_attends(vae, decoder, i)) continue;
      dit__list_prefix(list, "vae.%s.%s_blocks.%d.attentions.%d.", side, way, i, j);
      list_attention(list, width, DIT__MEMBER(coder, attention[j]));
    }
    if (i == last) break;
    dit__list_prefix(list, "vae.%s.%s_blocks.%d.%ssamplers.0.", side, way, i, way);
    dit__list_conv(list, "conv", width, width, 3, decoder ? 1 : 2, DIT__MEMBER(coder, resample[i]));
  }
  list_mid_block(list, side, vae->width[last], DIT__MEMBER(coder, mid_block));
  dit__list_prefix(list, "vae.%s.", side);
  dit__list_norm(list, "conv_norm_out", dit__vae_width(vae, decoder, last), 1, DIT__MEMBER(coder, norm_out));
  dit__list_conv(list, "conv_out", dit__vae_width(vae, decoder, last), out, 3, 1, DIT__MEMBER(coder, conv_out));
}

dit_status dit__list_autoencoder(dit__vae *vae, dit__tensor_visit *visit, void *user) {
  const int64_t moments = 2 * (int64_t)vae->channels;
  dit__tensor_list list = dit__list_begin(visit, user);
  if (vae->has_encoder) list_coder(&list, vae, 0, vae->encoder);
  if (vae->has_decoder) list_coder(&list, vae, 1, vae->decoder);
  dit__list_prefix(&list, "vae.");
  if (vae->has_encoder) dit__list_conv(&list, "quant_conv", moments, moments, 1, 1, DIT__MEMBER(vae->encoder, quant));
  if (vae->has_decoder)
    dit__list_conv(&list, "post_quant_conv", vae->channels, vae->channels, 1, 1, DIT__MEMBER(vae->decoder, quant));
  return list.status;
}
