#include "weights/convert/read/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/files.h"
#include "weights/convert/read/text.h"

enum { CONFIG_LIMIT = 1 << 20 }; /* bytes */

static dit_status read_config(const char *folder, json_value **config, dit_error *error) {
  char *path = file_join(folder, "config.json");
  if (!path) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", folder);
  *config = file_json(path, CONFIG_LIMIT, error);
  free(path);
  if (!*config) return error ? error->status : DIT_ERROR_FORMAT;
  if ((*config)->kind != JSON_OBJECT) {
    return dit__fail(error, DIT_ERROR_FORMAT, "%s/config.json: not an object", folder);
  }
  static const char *const classes[] = {"AutoencoderKL", "DiTTransformer2DModel", "Transformer2DModel"};
  const json_value *name = json_member(*config, "_class_name");
  if (!name) return DIT_OK;
  const char *text = name->kind == JSON_STRING ? name->text : "?";
  char shown[TEXT_SHOWN];
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    if (strcmp(text, classes[i]) == 0) return DIT_OK;
  return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                   "%s: a diffusers folder of class %s; DiTTransformer2DModel and AutoencoderKL are supported", folder,
                   text_shown(shown, text, strlen(text)));
}

/* Looks for the weights of one variant, "" for the plain ones, in one file or in shards. Returns 0 if the folder has
 * none, else 1 and the status. */
static int find_variant(const char *folder, const char *variant, folder_weights *out, dit_status *status,
                        dit_error *error) {
  static const struct {
    const char *middle, *end;
    int is_index;
  } files[] = {
      {"", ".safetensors", 0}, {"", ".bin", 0}, {".safetensors.index", ".json", 1}, {".bin.index", ".json", 1}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char name[160];
    snprintf(name, sizeof name, "diffusion_pytorch_model%s%s%.40s%s", files[i].middle, *variant ? "." : "", variant,
             files[i].end);
    if (!file_exists(folder, name)) continue;
    out->path = file_join(folder, name);
    out->is_index = files[i].is_index;
    snprintf(out->variant, sizeof out->variant, "%.12s", variant);
    *status = out->path ? DIT_OK : dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", folder);
    return 1;
  }
  return 0;
}

dit_status folder_open(const char *folder, const char *variant, json_value **config, folder_weights *out,
                       dit_error *error) {
  static const char *const variants[] = {"", "fp16", "bf16", "fp32", "ema", "non_ema"};
  dit_status status = DIT_OK;
  memset(out, 0, sizeof *out);
  if (file_exists(folder, "model_index.json"))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "%s: this is a whole diffusers pipeline; one network is expected here", folder);
  if (!file_exists(folder, "config.json"))
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: a folder without config.json; give a file or a diffusers folder",
                     folder);
  status = read_config(folder, config, error);
  if (status) return status;
  if (variant) {
    if (!file_stays_inside(variant) || strchr(variant, '/'))
      return dit__fail(error, DIT_ERROR_ARGUMENT, "--variant must be a word such as fp16");
    if (find_variant(folder, variant, out, &status, error)) return status;
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: a folder without the variant %.40s of its weights", folder, variant);
  }
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
    if (find_variant(folder, variants[i], out, &status, error)) return status;
  return dit__fail(error, DIT_ERROR_FORMAT, "%s: a folder without diffusion_pytorch_model.safetensors or .bin", folder);
}
