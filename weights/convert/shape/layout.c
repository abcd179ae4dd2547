#include "weights/convert/shape/layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"

/* ---- Geometry ---- */

static int between(const char *what, int64_t value, int64_t low, int64_t high, dit_error *error) {
  if (value >= low && value <= high) return 1;
  dit__fail(error, DIT_ERROR_ARGUMENT, "%s is %" PRId64 "; it must be %" PRId64 " to %" PRId64, what, value, low, high);
  return 0;
}

int layout_check_transformer(const transformer_geometry *g, dit_error *error) {
  if (!between("hidden size", g->hidden, 4, DIT__MAX_HIDDEN, error) ||
      !between("depth", g->depth, 1, DIT__MAX_DEPTH, error) ||
      !between("number of heads", g->heads, 1, DIT__MAX_HEADS, error) ||
      !between("patch", g->patch, 1, DIT__MAX_PATCH, error) ||
      !between("latent side", g->latent, 1, DIT__MAX_LATENT, error) ||
      !between("in-channels", g->in_channels, 1, DIT__MAX_CHANNELS, error) ||
      !between("number of rows of the label table", g->class_rows, 1, DIT__MAX_CLASSES + 1, error) ||
      !between("MLP size", g->mlp, 4, DIT__MAX_MLP, error))
    return 0;
  if (g->hidden % 4 || g->hidden % g->heads) {
    dit__fail(error, DIT_ERROR_ARGUMENT, "hidden size %d must be a multiple of 4 and of the number of heads, %d",
              (int)g->hidden, (int)g->heads);
    return 0;
  }
  if (g->latent % g->patch) {
    dit__fail(error, DIT_ERROR_ARGUMENT, "latent side %d is not a multiple of the patch, %d", (int)g->latent,
              (int)g->patch);
    return 0;
  }
  return 1;
}

int layout_check_autoencoder(const autoencoder_geometry *g, dit_error *error) {
  if (!between("number of levels", g->levels, 1, DIT__MAX_VAE_LEVELS, error) ||
      !between("layers per block", g->layers, 1, DIT__MAX_VAE_LAYERS - 1, error) ||
      !between("groups", g->groups, 1, DIT__MAX_GROUPS, error) ||
      !between("image channels", g->image_channels, 3, 4, error) ||
      !between("latent channels", g->latent_channels, 1, DIT__MAX_CHANNELS, error))
    return 0;
  for (int64_t i = 0; i < g->levels; i++) {
    if (!between("block width", g->blocks[i], 1, DIT__MAX_VAE_WIDTH, error)) return 0;
    if (g->blocks[i] % g->groups) {
      dit__fail(error, DIT_ERROR_ARGUMENT, "block width %d is not a multiple of the number of groups, %d",
                (int)g->blocks[i], (int)g->groups);
      return 0;
    }
  }
  if (!(g->scaling_factor >= 1e-6 && g->scaling_factor <= 1e6)) {
    dit__fail(error, DIT_ERROR_ARGUMENT, "scaling factor is %g; it must be 1e-6 to 1e6", g->scaling_factor);
    return 0;
  }
  return 1;
}

/* Here all rows of the label table count as classes. */
static dit__transformer transformer_of(const transformer_geometry *g) {
  const dit__transformer dit = {
      .present = 1,
      .hidden = (int32_t)g->hidden,
      .depth = (int32_t)g->depth,
      .heads = (int32_t)g->heads,
      .patch = (int32_t)g->patch,
      .latent_size = (int32_t)g->latent,
      .channels = (int32_t)g->in_channels,
      .out_channels = (int32_t)g->out_channels,
      .mlp = (int32_t)g->mlp,
      .classes = (int32_t)g->class_rows,
      .null_class = -1,
      .block_kind = g->block_kind,
      .norm = g->norm,
      .mlp_kind = g->mlp_kind,
      .qk_norm = g->qk_norm,
      .rope = g->family->rope,
      .pixels = g->family->pixels,
      .bottleneck = (int32_t)g->bottleneck,
      .context = (int32_t)g->context,
      .context_block = (int32_t)g->context_block,
      .process = {.path = g->family->path, .second_time = g->family->second_time},
  };
  return dit;
}

static dit__vae autoencoder_of(const autoencoder_geometry *g) {
  dit__vae vae = {
      .levels = (int32_t)g->levels,
      .layers = (int32_t)g->layers,
      .groups = (int32_t)g->groups,
      .channels = (int32_t)g->latent_channels,
      .image_channels = (int32_t)g->image_channels,
      .level_attention = (int32_t)g->level_attention,
      .has_decoder = 1,
      .has_encoder = 1,
  };
  for (int64_t i = 0; i < g->levels; i++) vae.width[i] = (int32_t)g->blocks[i];
  return vae;
}

/* ---- Tensors ---- */

static dit_status append(void *user, const dit__tensor *tensor) {
  layout *l = (layout *)user;
  if (l->count == l->room) {
    size_t room = l->room ? 2 * l->room : 256;
    dit__tensor *grown = (dit__tensor *)realloc(l->tensors, room * sizeof *grown);
    if (!grown) return DIT_ERROR_MEMORY;
    l->tensors = grown;
    l->room = room;
  }
  l->tensors[l->count] = *tensor;
  memset(&l->tensors[l->count++].into, 0, sizeof tensor->into); /* the network that was listed may be gone soon */
  return DIT_OK;
}

dit_status layout_networks(dit__transformer *dit, dit__vae *vae, layout *out, dit_error *error) {
  dit_status status = dit && dit->present ? dit__list_transformer(dit, append, out) : DIT_OK;
  if (!status && vae) status = dit__list_autoencoder(vae, append, out);
  return status ? dit__fail(error, status, "no memory for the list of tensors") : DIT_OK;
}

dit_status layout_transformer(const transformer_geometry *g, layout *out, dit_error *error) {
  dit__transformer dit = transformer_of(g);
  return layout_networks(&dit, NULL, out, error);
}

dit_status layout_autoencoder(const autoencoder_geometry *g, layout *out, dit_error *error) {
  dit__vae vae = autoencoder_of(g);
  return layout_networks(NULL, &vae, out, error);
}

void layout_free(layout *l) {
  free(l->tensors);
  memset(l, 0, sizeof *l);
}

const char *layout_own_name(const dit__tensor *t) { return strncmp(t->name, "vae.", 4) ? t->name : t->name + 4; }
