/* The former and the original layout of the autoencoder. */
#include <stdio.h>
#include <string.h>

#include "dit.h"
#include "weights/convert/shape/layout.h"
#include "weights/convert/shape/names_vae.h"

enum { MAX_NAME = 1100 };

/* Layers of an attention, in both former layouts. */
static const name_pair vae_attention[] = {
    {"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}, {"norm", "group_norm"},
    {"q", "to_q"},     {"k", "to_k"},   {"v", "to_v"},     {"proj_out", "to_out.0"},
};

/* Translates "NAME.weight" or "NAME.bias" of the attention. Returns 0 if the name is not a former one. */
static int attention_name(const char *rest, char *out, size_t room) {
  char part[16];
  size_t length = strcspn(rest, ".");
  if (length >= sizeof part || !rest[length]) return 0;
  memcpy(part, rest, length);
  part[length] = 0;
  const char *to = NAMES_TRANSLATE(vae_attention, part);
  if (to) snprintf(out, room, "%s%s", to, rest + length);
  return to != NULL;
}

/* Translates a name of CompVis within one side ("encoder" or "decoder"); CompVis counts the decoder's `levels` from the
 * other end. Returns 0 if the name is not one of CompVis. */
static int compvis_name(const char *side, const char *rest, int levels, char *out, size_t room) {
  int decoder = strcmp(side, "decoder") == 0, level, index;
  char part[64];
  const char *at = names_after(rest, decoder ? "up." : "down."), *inner;
  if (at && (at = names_take_index(at, DIT__MAX_VAE_LEVELS, &level)) != NULL) {
    if (decoder) level = levels - 1 - level;
    inner = names_after(at, "block.");
    if (inner && (inner = names_take_index(inner, 64, &index)) != NULL) {
      const char *shortcut = names_after(inner, "nin_shortcut.");
      snprintf(out, room, "%s.%s_blocks.%d.resnets.%d.%s%s", side, decoder ? "up" : "down", level, index,
               shortcut ? "conv_shortcut." : "", shortcut ? shortcut : inner);
      return 1;
    }
    inner = names_after(at, "attn.");
    if (inner && (inner = names_take_index(inner, 64, &index)) != NULL && attention_name(inner, part, sizeof part)) {
      snprintf(out, room, "%s.%s_blocks.%d.attentions.%d.%s", side, decoder ? "up" : "down", level, index, part);
      return 1;
    }
    inner = names_after(at, decoder ? "upsample.conv." : "downsample.conv.");
    if (inner)
      snprintf(out, room, "%s.%s_blocks.%d.%ssamplers.0.conv.%s", side, decoder ? "up" : "down", level,
               decoder ? "up" : "down", inner);
    return inner != NULL;
  }
  if ((at = names_after(rest, "mid.attn_1.")) != NULL && attention_name(at, part, sizeof part)) {
    snprintf(out, room, "%s.mid_block.attentions.0.%s", side, part);
    return 1;
  }
  if ((at = names_after(rest, "mid.block_")) != NULL && (*at == '1' || *at == '2') && at[1] == '.') {
    snprintf(out, room, "%s.mid_block.resnets.%d.%s", side, *at - '1', at + 2);
    return 1;
  }
  if ((at = names_after(rest, "norm_out.")) != NULL) snprintf(out, room, "%s.conv_norm_out.%s", side, at);
  return at != NULL;
}

/* A 1x1 convolution [rows][columns][1][1] is a matrix. */
static void flatten(checkpoint_tensor *t) {
  if (t->rank == 4 && t->shape[2] == 1 && t->shape[3] == 1) t->rank = 2;
}

/* Whether only the training of CompVis's autoencoder or of VA-VAE needs a tensor. */
static int trains_with(const char *name) {
  return names_after(name, "loss.") || names_after(name, "foundation_model.") || names_after(name, "linear_proj.");
}

static dit_status canonicalize_vae_tensor(names_reader *r, checkpoint_tensor *t, int levels) {
  char name[MAX_NAME], part[64];
  const char *side = names_after(t->name, "encoder.") ? "encoder" : names_after(t->name, "decoder.") ? "decoder" : NULL;
  const char *rest = side ? t->name + 8 : NULL, *attention = rest ? names_after(rest, "mid_block.attentions.0.") : NULL;
  dit_status status = DIT_OK;
  if (attention && attention_name(attention, part, sizeof part)) {
    r->former = 1;
    snprintf(name, sizeof name, "%s.mid_block.attentions.0.%s", side, part);
    status = names_rename_to(r, t, name);
  } else if (rest && compvis_name(side, rest, levels, name, sizeof name)) {
    r->compvis = 1;
    status = names_rename_to(r, t, name);
  } else if (trains_with(t->name)) {
    names_drop(t);
  }
  const char *at = !status && t->name ? strstr(t->name, ".attentions.") : NULL;
  if (at && strstr(at, ".to_")) flatten(t);
  return status;
}

dit_status names_canonicalize_vae(names_reader *r) {
  int levels = 0, level;
  dit_status status = DIT_OK;
  for (size_t i = 0; i < r->s->count; i++) {
    const char *at = names_after(r->s->tensors[i].name, "decoder.up.");
    if (at && names_take_index(at, DIT__MAX_VAE_LEVELS, &level) && level >= levels) levels = level + 1;
  }
  for (size_t i = 0; i < r->s->count && !status; i++) status = canonicalize_vae_tensor(r, &r->s->tensors[i], levels);
  return status;
}
