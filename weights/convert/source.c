#include "weights/convert/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "weights/convert/safetensors.h"
#include "weights/convert/text.h"
#include "weights/convert/torch.h"

enum { CONFIG_LIMIT = 1 << 20 };

struct source_files {
  dit__file weights;
};

/* ---- Files, by their content ---- */

static int begins(const dit__file *file, const char *mark, size_t length) {
  return file->size >= length && memcmp(file->bytes, mark, length) == 0;
}

static int is_text(const dit__file *file, size_t length) {
  for (size_t i = 0; i < length && i < file->size; i++) {
    uint8_t c = file->bytes[i];
    if (c >= 0x7f || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) return 0;
  }
  return 1;
}

/* The first character that is not space, of a file that begins with text; else 0. */
static char first_character(const dit__file *file) {
  if (!is_text(file, 16)) return 0;
  for (size_t i = 0; i < file->size && i < 64; i++) {
    if (file->bytes[i] > ' ') return (char)file->bytes[i];
  }
  return 0;
}

/* What a file that cannot be read is, and what to do about it. */
static const char *describe(const dit__file *file) {
  if (begins(file, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14)) {
    return "a checkpoint in PyTorch's format from before version 1.6; load it in a current PyTorch and torch.save it "
           "again";
  }
  if (begins(file, "\x80", 1) && file->size > 1 && file->bytes[1] <= 5) {
    return "a bare pickle, not a checkpoint; load it in Python and torch.save the tensors";
  }
  if (begins(file, "GGUF", 4)) return "a GGUF file, as dit-convert writes them; it needs no conversion";
  if (begins(file, "version https://git-lfs", 23)) {
    return "a git-lfs pointer in place of the file; run 'git lfs pull' where it came from";
  }
  if (begins(file, "\x1f\x8b", 2)) return "compressed with gzip; unpack it with gunzip first";
  if (first_character(file) == '<') return "a web page in place of the file; download the file itself";
  if (first_character(file) == '{' || first_character(file) == '[') {
    return "a JSON text, not weights; give the weights, or the folder with both";
  }
  return "no file that is known here; PyTorch zip checkpoints, safetensors and diffusers folders are read";
}

static int is_safetensors(const dit__file *file) {
  return file->size > 8 && file->bytes[8] == '{' && !is_text(file, 8);
}

static dit_status list_file(source *s, const char *path, dit_error *error) {
  const dit__file *file = &s->files->weights;
  if (begins(file, "PK\3\4", 4)) return torch_list(file->bytes, file->size, path, s, error);
  if (is_safetensors(file)) return safetensors_list(file->bytes, file->size, path, s, error);
  return dit__fail(error, DIT_ERROR_FORMAT, "%s: this is %s", path, describe(file));
}

/* ---- Folders ---- */

static char *join(const char *folder, const char *name) {
  size_t length = strlen(folder), size = length + strlen(name) + 2;
  char *path = (char *)malloc(size);
  const char *slash = length && (folder[length - 1] == '/' || folder[length - 1] == '\\') ? "" : "/";
  if (path) snprintf(path, size, "%s%s%s", folder, slash, name);
  return path;
}

/* 1 if the folder has a file of that name that is not empty. */
static int has(const char *folder, const char *name) {
  char *path = join(folder, name);
  dit__file file;
  int found = path && !dit__file_open(path, DIT_LOAD_MAP, NULL, &file, NULL);
  if (found) dit__file_close(&file, NULL);
  free(path);
  return found;
}

static dit_status read_config(source *s, const char *path, dit_error *error) {
  dit__file file;
  dit_status status = dit__file_open(path, DIT_LOAD_MAP, NULL, &file, error);
  if (status) return status;
  if (file.size > CONFIG_LIMIT) {
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: more than 1 MB for a configuration", path);
  } else {
    s->config = json_parse((const char *)file.bytes, file.size, path, error);
    if (!s->config) status = error ? error->status : DIT_ERROR_FORMAT;
  }
  dit__file_close(&file, NULL);
  return status;
}

static dit_status check_class(const source *s, const char *folder, dit_error *error) {
  if (s->config->kind != JSON_OBJECT) {
    return dit__fail(error, DIT_ERROR_FORMAT, "%s/config.json: not an object", folder);
  }
  const json_value *name = json_member(s->config, "_class_name");
  if (!name || (name->kind == JSON_STRING && strcmp(name->text, "AutoencoderKL") == 0)) return DIT_OK;
  const char *text = name->kind == JSON_STRING ? name->text : "?";
  char shown[TEXT_SHOWN];
  return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                   "%s: a diffusers folder of class %s; of folders, this version reads those of AutoencoderKL", folder,
                   text_shown(shown, text, strlen(text)));
}

static dit_status open_weights(source *s, const char *folder, const char *name, dit_error *error) {
  char *path = join(folder, name);
  if (!path) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", folder);
  dit_status status = dit__file_open(path, DIT_LOAD_MAP, NULL, &s->files->weights, error);
  if (!status) status = list_file(s, path, error);
  free(path);
  return status;
}

static dit_status list_folder(source *s, const char *folder, dit_error *error) {
  static const char *const weights[2] = {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"};
  static const char *const kinds[2] = {"diffusers folder (safetensors)", "diffusers folder (PyTorch zip checkpoint)"};
  static const char *const others[] = {"diffusion_pytorch_model.safetensors.index.json",
                                       "diffusion_pytorch_model.bin.index.json",
                                       "diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.fp16.bin"};
  for (int i = 0; i < 2; i++) {
    if (!has(folder, weights[i])) continue;
    dit_status status = open_weights(s, folder, weights[i], error);
    s->kind = kinds[i];
    return status;
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (!has(folder, others[i])) continue;
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "%s: has %s, but this version reads no shards or variants; save the model as one %s", folder,
                     others[i], weights[0]);
  }
  return dit__fail(error, DIT_ERROR_FORMAT, "%s: a folder without %s or .bin", folder, weights[0]);
}

static dit_status open_folder(source *s, const char *folder, dit_error *error) {
  if (has(folder, "model_index.json")) {
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "%s: a whole diffusers pipeline; this version reads its vae folder: give %s/vae", folder, folder);
  }
  if (!has(folder, "config.json")) {
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: a folder without config.json; give a file or a diffusers folder",
                     folder);
  }
  char *path = join(folder, "config.json");
  if (!path) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", folder);
  dit_status status = read_config(s, path, error);
  free(path);
  if (!status) status = check_class(s, folder, error);
  return status ? status : list_folder(s, folder, error);
}

/* Whether a path that is no file is a folder. Where folders cannot be opened like files (Windows), one counts if it
 * has something to read. */
static int is_folder(const char *path) {
  if (has(path, "config.json") || has(path, "model_index.json")) return 1;
  char *inside = join(path, ".");
  FILE *folder = inside ? fopen(inside, "rb") : NULL;
  free(inside);
  if (folder) fclose(folder);
  return folder != NULL;
}

dit_status source_open(const char *path, source **out, dit_error *error) {
  *out = NULL;
  source *s = (source *)calloc(1, sizeof *s);
  struct source_files *files = (struct source_files *)calloc(1, sizeof *files);
  if (!s || !files) {
    free(s);
    free(files);
    return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  }
  s->files = files;
  dit_status status = dit__file_open(path, DIT_LOAD_MAP, NULL, &files->weights, error);
  if (!status)
    status = list_file(s, path, error);
  else if (status == DIT_ERROR_IO && is_folder(path))
    status = open_folder(s, path, error);
  if (status)
    source_close(s);
  else
    *out = s;
  return status;
}

void source_close(source *s) {
  if (!s) return;
  for (size_t i = 0; i < s->count; i++) free(s->tensors[i].name);
  free(s->tensors);
  json_free(s->config);
  dit__file_close(&s->files->weights, NULL);
  free(s->files);
  free(s);
}
