#include "weights/convert/shape/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/model/check.h"
#include "weights/convert/shape/match.h"
#include "weights/convert/shape/rearrange.h"
#include "weights/convert/shape/statistics.h"

/* Appends the tensors of a layout; all of them are made by rule until another origin is set. */
static dit_status append(model_content *m, const layout *l, dit_error *error) {
  content_tensor *grown = (content_tensor *)realloc(m->tensors, (m->count + l->count + 1) * sizeof *grown);
  if (!grown) return dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors");
  m->tensors = grown;
  for (size_t i = 0; i < l->count; i++) {
    content_tensor *t = &m->tensors[m->count++];
    memset(t, 0, sizeof *t);
    t->tensor = l->tensors[i];
    t->rule = synthetic_rule_of(&t->tensor);
  }
  return DIT_OK;
}

/* Checks that a network may be added. The transformer comes first in the file, so it must come first here. */
static dit_status check_order(const model_content *m, int network, dit_error *error) {
  if (network == NETWORK_TRANSFORMER ? m->has_dit : m->has_vae)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "a second %s; a model file holds one of each",
                     network == NETWORK_TRANSFORMER ? "transformer" : "autoencoder");
  if (network == NETWORK_TRANSFORMER && m->has_vae)
    return dit__fail(error, DIT_ERROR_STATE, "the transformer must be added before the autoencoder");
  return DIT_OK;
}

static dit_status check_pair(const model_content *m, dit_error *error) {
  if (m->has_dit && m->has_vae && m->dit.in_channels != m->vae.latent_channels)
    return dit__fail(error, DIT_ERROR_FORMAT,
                     "the transformer's latents have %d channels, the autoencoder's %d: they do not belong together",
                     (int)m->dit.in_channels, (int)m->vae.latent_channels);
  return DIT_OK;
}

/* Appends the tensors of the geometry of `network`, from a checkpoint or, if s is NULL, by rule. */
static dit_status add_network(model_content *m, int network, const checkpoint *s, char *report, size_t room,
                              dit_error *error) {
  layout l = {NULL, 0, 0};
  size_t start = m->count;
  dit_status status =
      network == NETWORK_TRANSFORMER ? layout_transformer(&m->dit, &l, error) : layout_autoencoder(&m->vae, &l, error);
  const checkpoint_tensor **found = NULL;
  const char *no_bias = network == NETWORK_TRANSFORMER ? m->dit.family->no_bias : NULL;
  if (!status && s) {
    found = (const checkpoint_tensor **)calloc(l.count, sizeof *found);
    status = found ? match_tensors(l.tensors, l.count, s, no_bias, found, report, room, error)
                   : dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors");
  }
  if (!status) status = append(m, &l, error);
  for (size_t i = 0; !status && s && i < l.count; i++) {
    content_tensor *t = &m->tensors[start + i];
    t->from = found[i];
    if (!t->from) t->rule.scale = 0; /* a bias that is not there is zero */
  }
  free(found);
  layout_free(&l);
  if (network == NETWORK_TRANSFORMER)
    m->has_dit = 1, m->dit_count = m->count;
  else
    m->has_vae = 1;
  return status ? status : check_pair(m, error);
}

/* Finds a tensor and reads its values, which take the place of those of its origin. */
static float *own_values(model_content *m, const char *name) {
  for (size_t i = 0; i < m->count; i++) {
    content_tensor *t = &m->tensors[i];
    const uint64_t count = dit__tensor_elements(&t->tensor);
    if (strcmp(t->tensor.name, name) != 0) continue;
    float *values = (float *)malloc((size_t)count * sizeof *values);
    if (values) content_read(m, t, 0, count, values);
    return t->values = values;
  }
  return NULL;
}

static dit_status fold_statistics(model_content *m, const checkpoint *statistics, dit_error *error) {
  const latent_convs convs = {own_values(m, "vae.quant_conv.weight"), own_values(m, "vae.quant_conv.bias"),
                              own_values(m, "vae.post_quant_conv.weight"), own_values(m, "vae.post_quant_conv.bias")};
  if (!convs.quant || !convs.quant_bias || !convs.post_quant || !convs.post_quant_bias)
    return dit__fail(error, DIT_ERROR_MEMORY, "no memory for the autoencoder's quant_conv");
  return statistics_fold(statistics, m->vae.latent_channels, &convs, error);
}

static int compare_tensors(const void *a, const void *b) {
  return strcmp(((const dit__tensor *)a)->name, ((const dit__tensor *)b)->name);
}

/* Returns a tensor of a model file as its network lists it. A tensor that no network lists is ignored by the library, and
 * kept as it is. */
static dit__tensor describe_tensor(const layout *sorted, const checkpoint_tensor *t) {
  dit__tensor plain;
  memset(&plain, 0, sizeof plain);
  snprintf(plain.name, sizeof plain.name, "%s", t->name);
  const dit__tensor *listed =
      (const dit__tensor *)bsearch(&plain, sorted->tensors, sorted->count, sizeof plain, compare_tensors);
  if (listed) return *listed;
  plain.rank = (uint32_t)t->rank;
  plain.role = t->rank == 1 ? DIT__ROLE_BIAS : DIT__ROLE_LINEAR;
  plain.block = -1;
  for (int k = 0; k < 4; k++) plain.shape[k] = k < t->rank ? t->shape[k] : 1;
  return plain;
}

dit_status content_add_model_file(model_content *m, const checkpoint *s, dit_error *error) {
  dit__contents contents;
  layout l = {NULL, 0, 0};
  if (m->count)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "a model file can only be converted alone; to join networks, give their checkpoints");
  dit_status status = dit__model_check(s->model_file, &contents, error);
  if (!status) status = layout_networks(&contents.dit, &contents.vae, &l, error);
  if (!status) m->tensors = (content_tensor *)calloc(s->count + 1, sizeof *m->tensors);
  if (!status && !m->tensors) status = dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors");
  if (!status) qsort(l.tensors, l.count, sizeof *l.tensors, compare_tensors);
  for (size_t i = 0; !status && i < s->count; i++) {
    content_tensor *t = &m->tensors[m->count++];
    t->from = &s->tensors[i];
    t->tensor = describe_tensor(&l, t->from);
  }
  layout_free(&l);
  m->has_vae = contents.vae.has_decoder || contents.vae.has_encoder;
  m->diffusers = contents.dit.diffusers;
  m->file = s->model_file;
  return status;
}

dit_status content_add_checkpoint(model_content *m, checkpoint *s, int network, const infer_hints *hints, char *note,
                                  size_t note_room, char *report, size_t report_room, dit_error *error) {
  *note = *report = 0;
  dit_status status = check_order(m, network, error);
  if (status) return status;
  status = network == NETWORK_TRANSFORMER ? infer_transformer(s, hints, &m->dit, note, note_room, error)
                                          : infer_autoencoder(s, hints, &m->vae, note, note_room, error);
  if (!status && network == NETWORK_TRANSFORMER) status = rearrange_blocks(s, &m->dit, error);
  if (!status) status = add_network(m, network, s, report, report_room, error);
  if (!status && network == NETWORK_AUTOENCODER && hints->statistics)
    status = fold_statistics(m, hints->statistics, error);
  return status;
}

dit_status content_add_synthetic(model_content *m, const char *text, dit_error *error) {
  transformer_geometry dit;
  autoencoder_geometry vae;
  int network;
  dit_status status = synthetic_parse(text, &network, &dit, &vae, error);
  if (!status) status = check_order(m, network, error);
  if (status) return status;
  m->synthetic_dit |= network == NETWORK_TRANSFORMER;
  if (network == NETWORK_TRANSFORMER)
    m->dit = dit;
  else
    m->vae = vae;
  return add_network(m, network, NULL, NULL, 0, error);
}

void content_free(model_content *m) {
  for (size_t i = 0; i < m->count; i++) free(m->tensors[i].values);
  free(m->tensors);
  memset(m, 0, sizeof *m);
}

uint64_t content_parameters(const model_content *m, int network) {
  uint64_t sum = 0;
  size_t first = network == NETWORK_TRANSFORMER ? 0 : m->dit_count,
         end = network == NETWORK_TRANSFORMER ? m->dit_count : m->count;
  for (size_t i = first; i < end; i++)
    if (m->tensors[i].tensor.role != DIT__ROLE_POSITIONS) sum += dit__tensor_elements(&m->tensors[i].tensor);
  return sum;
}

void content_read(const model_content *m, const content_tensor *t, uint64_t first, uint64_t count, float *out) {
  if (t->values)
    memcpy(out, t->values + first, (size_t)count * sizeof *out);
  else if (t->from)
    checkpoint_read(t->from, first, count, out);
  else if (t->tensor.role == DIT__ROLE_POSITIONS && strcmp(t->tensor.name, "pos_embed") == 0)
    position_table(m->dit.hidden, m->dit.latent / m->dit.patch, first, count, out);
  else
    synthetic_read(&t->rule, first, count, out);
}
