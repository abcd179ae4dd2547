#include "weights/convert/read/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/files.h"
#include "weights/convert/read/folder.h"
#include "weights/convert/read/legacy.h"
#include "weights/convert/read/model_file.h"
#include "weights/convert/read/safetensors.h"
#include "weights/convert/read/shards.h"
#include "weights/convert/read/torch.h"

/* ---- Files, told apart by their content ---- */

static int begins(const uint8_t *bytes, size_t size, const char *mark, size_t length) {
  return size >= length && memcmp(bytes, mark, length) == 0;
}

static int is_text(const uint8_t *bytes, size_t size, size_t length) {
  for (size_t i = 0; i < length && i < size; i++) {
    uint8_t c = bytes[i];
    if (c >= 0x7f || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) return 0;
  }
  return 1;
}

/* Returns the first character of a text that is not space; 0 if the file does not begin with text. */
static char first_character(const uint8_t *bytes, size_t size) {
  if (!is_text(bytes, size, 16)) return 0;
  for (size_t i = 0; i < size && i < 64; i++) {
    if (bytes[i] > ' ') return (char)bytes[i];
  }
  return 0;
}

/* Says what a file that cannot be read is, and what to do about it. */
static const char *describe(const uint8_t *bytes, size_t size) {
  if (begins(bytes, size, "\x80", 1) && size > 1 && bytes[1] <= 5) {
    return "a bare pickle, not a checkpoint; load it in Python and torch.save the tensors";
  }
  if (size > 262 && memcmp(bytes + 257, "ustar", 5) == 0) {
    return "a tar archive, as the first versions of PyTorch wrote; load it in PyTorch and torch.save it again";
  }
  if (begins(bytes, size, "version https://git-lfs", 23)) {
    return "a git-lfs pointer in place of the file; run 'git lfs pull' where it came from";
  }
  if (begins(bytes, size, "\x1f\x8b", 2)) return "compressed with gzip; unpack it with gunzip first";
  if (first_character(bytes, size) == '<') return "a web page in place of the file; download the file itself";
  return "a file of unknown format; PyTorch checkpoints, safetensors, diffusers folders and model files are supported";
}

static int is_safetensors(const uint8_t *bytes, size_t size) {
  return size > 8 && bytes[8] == '{' && !is_text(bytes, size, 8);
}

/* Lists the tensors of a file, after those that are listed already. `place` names it in messages. */
static dit_status list_content(checkpoint *s, const uint8_t *bytes, size_t size, const char *place, dit_error *error) {
  char first = first_character(bytes, size);
  if (begins(bytes, size, "PK\3\4", 4)) return torch_list(bytes, size, place, s, error);
  if (legacy_is(bytes, size)) return legacy_list(bytes, size, place, s, error);
  if (is_safetensors(bytes, size)) return safetensors_list(bytes, size, place, s, error);
  if (begins(bytes, size, "GGUF", 4)) return model_file_list(bytes, size, place, s, error);
  if (first == '{' || first == '[') {
    return dit__fail(
        error, DIT_ERROR_FORMAT,
        "%s: this is a JSON text, not weights; give the weights, their .index.json, or the folder with both", place);
  }
  return dit__fail(error, DIT_ERROR_FORMAT, "%s: this is %s", place, describe(bytes, size));
}

static dit_status list_file(checkpoint *s, const char *path, dit_error *error) {
  const uint8_t *bytes;
  size_t size;
  dit_status status = checkpoint_map(s, path, &bytes, &size, error);
  return status ? status : list_content(s, bytes, size, path, error);
}

/* ---- Several files ---- */

static dit_status list_shard(checkpoint *s, const shard_index *index, size_t which, dit_error *error) {
  size_t first = s->count;
  char *path = shards_path(index, which);
  if (!path) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", index->path);
  dit_status status = list_file(s, path, error);
  free(path);
  return status ? status : shards_check(index, which, s, first, error);
}

static dit_status list_shards(checkpoint *s, const char *path, dit_error *error) {
  shard_index index;
  char format[sizeof s->kind];
  dit_status status = shards_open(path, &index, error);
  for (size_t i = 0; !status && i < index.count; i++) status = list_shard(s, &index, i, error);
  if (!status) status = checkpoint_check_names(s, path, error);
  memcpy(format, s->kind, sizeof format);
  snprintf(s->kind, sizeof s->kind, "%.50s, %zu shards", format, index.count);
  shards_close(&index);
  return status;
}

static dit_status list_folder(checkpoint *s, const char *folder, const char *variant, dit_error *error) {
  folder_weights weights;
  char format[sizeof s->kind];
  dit_status status = folder_open(folder, variant, &s->config, &weights, error);
  if (status) return status;
  status = weights.is_index ? list_shards(s, weights.path, error) : list_file(s, weights.path, error);
  if (!status && s->model_file)
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: a model file has no place in a diffusers folder", weights.path);
  memcpy(format, s->kind, sizeof format);
  snprintf(s->kind, sizeof s->kind, "diffusers folder (%.40s%s%.12s)", format, *weights.variant ? ", " : "",
           weights.variant);
  free(weights.path);
  return status;
}

dit_status checkpoint_open(const char *path, const char *variant, checkpoint **out, dit_error *error) {
  const uint8_t *bytes;
  size_t size;
  *out = NULL;
  checkpoint *s = checkpoint_new();
  if (!s) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  dit_status status = checkpoint_map(s, path, &bytes, &size, error);
  if (status == DIT_ERROR_IO && file_is_folder(path))
    status = list_folder(s, path, variant, error);
  else if (!status && shards_is_index(bytes, size))
    status = list_shards(s, path, error);
  else if (!status)
    status = list_content(s, bytes, size, path, error);
  if (status)
    checkpoint_close(s);
  else
    *out = s;
  return status;
}
