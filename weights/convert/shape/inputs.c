#include "weights/convert/shape/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/files.h"
#include "weights/convert/read/open.h"
#include "weights/convert/read/text.h"
#include "weights/convert/shape/infer.h"
#include "weights/convert/shape/names.h"
#include "weights/convert/shape/statistics.h"

enum { INDEX_LIMIT = 8 << 20, LABELS_LIMIT = 1 << 20 };

static dit_status fail_memory(const char *path, dit_error *error) {
  return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
}

/* Adds a file or folder of one network. */
static dit_status add_one(inputs *in, const char *path, int kind, const char *variant, dit_error *error) {
  if (in->count == MAX_INPUTS) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: too many inputs", path);
  input *to = &in->list[in->count];
  to->path = text_copy(path, strlen(path));
  if (!to->path) return fail_memory(path, error);
  in->count++;
  dit_status status = checkpoint_open(path, variant, &to->s, error);
  if (!status) status = names_canonicalize(to->s, to->note, sizeof to->note, error);
  if (status) return status;
  to->kind = to->s->model_file       ? INPUT_MODEL_FILE
             : statistics_are(to->s) ? INPUT_STATISTICS
                                     : infer_network(to->s, error);
  if (!to->kind) return error ? error->status : DIT_ERROR_FORMAT;
  if (kind && to->kind != kind)
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: is not %s", path,
                     kind == NETWORK_TRANSFORMER ? "a transformer" : "an autoencoder");
  return DIT_OK;
}

/* ---- Pipelines ---- */

/* Reads id2label: {"0": "tench, Tinca tinca", ...}. */
static dit_status read_labels(inputs *in, const json_value *index, const char *path, dit_error *error) {
  const json_value *map = json_member(index, "id2label");
  size_t count = 0;
  if (!map || map->kind != JSON_OBJECT || !map->count || in->labels) return DIT_OK;
  for (const json_value *v = map->child; v; v = v->next) {
    char *end;
    unsigned long id = strtoul(v->key, &end, 10);
    if (end == v->key || *end || v->key[0] < '0' || v->key[0] > '9' || id >= LABELS_LIMIT || v->kind != JSON_STRING)
      return dit__fail(error, DIT_ERROR_FORMAT, "%s: id2label must map class numbers to names", path);
    if (id >= count) count = id + 1;
  }
  in->labels = (char **)calloc(count + 1, sizeof *in->labels);
  if (!in->labels) return fail_memory(path, error);
  in->label_count = count;
  for (const json_value *v = map->child; v; v = v->next) {
    char **to = &in->labels[strtoul(v->key, NULL, 10)];
    if (*to) return dit__fail(error, DIT_ERROR_FORMAT, "%s: id2label has class %s twice", path, v->key);
    if (!(*to = text_copy(v->text, strlen(v->text)))) return fail_memory(path, error);
  }
  for (size_t i = 0; i < count; i++)
    if (!in->labels[i] && !(in->labels[i] = text_copy("", 0))) return fail_memory(path, error);
  return DIT_OK;
}

static dit_status add_component(inputs *in, const char *folder, const char *name, int kind, const char *variant,
                                dit_error *error) {
  char *path = file_join(folder, name);
  if (!path) return fail_memory(folder, error);
  dit_status status = add_one(in, path, kind, variant, error);
  free(path);
  return status;
}

static dit_status add_scheduler(inputs *in, const char *folder, dit_error *error) {
  char *path = file_join(folder, "scheduler");
  if (!path) return fail_memory(folder, error);
  dit_status status = DIT_OK;
  if (file_exists(path, "scheduler_config.json")) {
    status = scheduler_open(path, &in->schedule, error);
    in->has_schedule = !status;
  }
  free(path);
  return status;
}

static dit_status check_pipeline(const json_value *index, const char *path, dit_error *error) {
  const json_value *name = json_member(index, "_class_name");
  const char *text = name && name->kind == JSON_STRING ? name->text : "?";
  char shown[TEXT_SHOWN];
  if (strcmp(text, "DiTPipeline") == 0) return DIT_OK;
  return dit__fail(
      error, DIT_ERROR_UNSUPPORTED,
      "%s: a pipeline of class %s; only DiTPipeline is supported. To use its autoencoder, give its vae folder", path,
      text_shown(shown, text, strlen(text)));
}

/* Adds a transformer, an autoencoder, a schedule, and the names of the classes. */
static dit_status add_pipeline(inputs *in, const char *folder, int kind, const char *variant, dit_error *error) {
  char *path = file_join(folder, "model_index.json");
  if (!path) return fail_memory(folder, error);
  json_value *index = file_json(path, INDEX_LIMIT, error);
  dit_status status = index ? check_pipeline(index, path, error) : error ? error->status : DIT_ERROR_FORMAT;
  if (!status && kind != NETWORK_AUTOENCODER) {
    status = add_component(in, folder, "transformer", NETWORK_TRANSFORMER, variant, error);
    if (!status) status = add_scheduler(in, folder, error);
    if (!status) status = read_labels(in, index, path, error);
    in->pipeline = 1;
  }
  if (!status && kind != NETWORK_TRANSFORMER)
    status = add_component(in, folder, "vae", NETWORK_AUTOENCODER, variant, error);
  json_free(index);
  free(path);
  return status;
}

dit_status inputs_add(inputs *in, const char *path, int kind, const char *variant, dit_error *error) {
  if (file_is_folder(path) && file_exists(path, "model_index.json"))
    return add_pipeline(in, path, kind, variant, error);
  return add_one(in, path, kind, variant, error);
}

dit_status inputs_statistics(const inputs *in, const input **out, dit_error *error) {
  int autoencoders = 0;
  *out = NULL;
  for (int i = 0; i < in->count; i++) {
    autoencoders += in->list[i].kind == NETWORK_AUTOENCODER;
    if (in->list[i].kind != INPUT_STATISTICS) continue;
    if (*out)
      return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: a second file of statistics of latents", in->list[i].path);
    *out = &in->list[i];
  }
  if (!*out || autoencoders) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: statistics of latents belong to an autoencoder; give its file, too",
                   (*out)->path);
}

void inputs_free(inputs *in) {
  for (int i = 0; i < in->count; i++) {
    free(in->list[i].path);
    checkpoint_close(in->list[i].s);
  }
  for (size_t i = 0; i < in->label_count; i++) free(in->labels[i]);
  free((void *)in->labels);
  memset(in, 0, sizeof *in);
}
