#include "weights/convert/shape/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/text.h"
#include "weights/convert/shape/layout.h"
#include "weights/convert/shape/names_dit.h"
#include "weights/convert/shape/names_parts.h"
#include "weights/convert/shape/names_vae.h"
#include "weights/convert/shape/unsupported.h"

/* Removes the tensors that were dropped. */
static void sweep(checkpoint *s) {
  size_t kept = 0;
  for (size_t i = 0; i < s->count; i++)
    if (s->tensors[i].name) s->tensors[kept++] = s->tensors[i];
  s->count = kept;
}

/* ---- Prefixes ---- */

/* Every network has one tensor with one of these names. */
static const char *const anchors[] = {"x_embedder.proj.weight", "x_embedder.proj1.weight", "pos_embed.proj.weight",
                                      "decoder.conv_in.weight"};

/* Returns the length of what precedes an anchor at the end of a name, or -1 if the name does not end with it. */
static int prefix_length(const char *name, const char *anchor) {
  size_t length = strlen(name), tail = strlen(anchor);
  if (length < tail || strcmp(name + length - tail, anchor)) return -1;
  return length == tail || name[length - tail - 1] == '.' ? (int)(length - tail) : -1;
}

/* Returns whether a prefix names a moving average: "ema_model.", "model_ema.", "module.ema."; 2 for the second of several
 * averages, "ema_models.1.", which FACM takes. */
static int is_average(const char *name, int length) {
  if (length > 13 && strncmp(name, "ema_models.1.", 13) == 0) return 2;
  for (int i = 0; i + 3 < length; i++)
    if (strncmp(name + i, "ema", 3) == 0) return 1;
  return 0;
}

/* Finds the prefix of the network: no prefix if there is a name without one, else that of a moving average, else the only
 * one. A transformer is preferred to an autoencoder. *length becomes -1 if there is no known network. */
static dit_status find_prefix(const names_reader *r, const char **prefix, int *length) {
  *length = -1;
  for (size_t kind = 0; kind < sizeof anchors / sizeof *anchors && *length < 0; kind++) {
    int average = 0, others = 0;
    for (size_t i = 0; i < r->s->count; i++) {
      const char *name = r->s->tensors[i].name;
      int n = prefix_length(name, anchors[kind]), averaged = is_average(name, n);
      if (n < 0 || *length == 0) continue;
      if (n == 0 || *length < 0 || averaged > average) {
        *length = n;
        *prefix = name;
        average = averaged;
        others = 0;
      } else if (averaged == average) {
        others = 1;
      }
    }
    if (others)
      return dit__fail(r->error, DIT_ERROR_FORMAT,
                       "several models in one file, one of them under '%.*s'; save the one that is meant alone",
                       *length < 80 ? *length : 80, *prefix);
  }
  return DIT_OK;
}

/* Cuts the prefix off. Tensors without it belong to something else, and are dropped. */
static dit_status strip_prefix(const names_reader *r, char *note, size_t room) {
  const char *found = NULL;
  int length;
  size_t left_out = 0;
  dit_status status = find_prefix(r, &found, &length);
  if (status || length <= 0) return status;
  char *prefix = text_copy(found, (size_t)length);
  if (!prefix) return names_fail_memory(r);
  for (size_t i = 0; i < r->s->count; i++) {
    checkpoint_tensor *t = &r->s->tensors[i];
    const char *rest = names_after(t->name, prefix);
    if (rest && *rest)
      memmove(t->name, rest, strlen(rest) + 1);
    else
      names_drop(t), left_out++;
  }
  sweep(r->s);
  char shown[TEXT_SHOWN];
  int used = snprintf(note, room, "names begin with %s", text_shown(shown, prefix, strlen(prefix)));
  if (left_out && used > 0 && (size_t)used < room)
    snprintf(note + used, room - (size_t)used, "; %zu other tensors are left out", left_out);
  free(prefix);
  return DIT_OK;
}

/* ---- All names ---- */

/* The embedder of a second time is SoFlow's s_embedder; in ports of MeanFlow it is r_embedder or h_embedder. */
static void unify_second_embedder(checkpoint *s) {
  for (size_t i = 0; i < s->count; i++) {
    char *name = s->tensors[i].name;
    if (strncmp(name, "r_embedder.", 11) && strncmp(name, "h_embedder.", 11)) continue;
    name[0] = 's';
    s->meanflow_names = 1;
  }
}

static int has_name(const checkpoint *s, const char *name) { return checkpoint_find(s, name) != NULL; }

/* The weight of DMF's norms of queries and keys is called scale. */
static dit_status rename_head_norms(const names_reader *r) {
  dit_status status = DIT_OK;
  for (size_t i = 0; i < r->s->count && !status; i++) {
    checkpoint_tensor *t = &r->s->tensors[i];
    const size_t length = strlen(t->name);
    char name[128];
    if (length < 18 || length >= sizeof name - 1 ||
        (strcmp(t->name + length - 18, ".attn.q_norm.scale") && strcmp(t->name + length - 18, ".attn.k_norm.scale")))
      continue;
    snprintf(name, sizeof name, "%.*sweight", (int)length - 5, t->name);
    status = names_rename_to(r, t, name);
  }
  return status;
}

/* In old checkpoints of REPA the blocks behind those that it aligns are decoder_blocks.0 and so on. */
static dit_status number_decoder_blocks(const names_reader *r) {
  dit_status status = DIT_OK;
  int first = 0, block;
  for (size_t i = 0; i < r->s->count; i++) {
    const char *rest = names_after(r->s->tensors[i].name, "blocks.");
    if (rest && names_take_index(rest, MAX_BLOCKS, &block) && block >= first) first = block + 1;
  }
  for (size_t i = 0; i < r->s->count && !status; i++) {
    char name[128];
    const char *rest = names_after(r->s->tensors[i].name, "decoder_blocks.");
    if (!rest || !(rest = names_take_index(rest, MAX_BLOCKS - first, &block)) || strlen(rest) >= 96) continue;
    snprintf(name, sizeof name, "blocks.%d.%s", first + block, rest);
    status = names_rename_to(r, &r->s->tensors[i], name);
  }
  return status;
}

dit_status names_canonicalize(checkpoint *s, char *note, size_t room, dit_error *error) {
  names_reader reader = {s, error, 0, 0, 0};
  *note = 0;
  if (s->model_file) return DIT_OK;
  dit_status status = strip_prefix(&reader, note, room);
  if (!status) status = unsupported_check(s, error);
  if (!status) unify_second_embedder(s);
  if (!status) status = number_decoder_blocks(&reader);
  if (!status) status = rename_head_norms(&reader);
  if (!status && has_name(s, "pos_embed.proj.weight"))
    status = names_canonicalize_dit(&reader);
  else if (!status && has_name(s, "decoder.conv_in.weight"))
    status = names_canonicalize_vae(&reader);
  sweep(s);
  if (!status) status = checkpoint_check_names(s, "with official names", error);
  const char *layout = reader.diffusers ? "layout of diffusers"
                       : reader.compvis ? "layout of CompVis"
                       : reader.former  ? "former names of diffusers"
                                        : NULL;
  size_t used = strlen(note);
  s->diffusers_names = reader.diffusers;
  if (layout) snprintf(note + used, room - used, "%s%s", used ? "; " : "", layout);
  return status;
}
