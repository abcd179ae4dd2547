#include "weights/convert/read/torch.h"

#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/state_dict.h"
#include "weights/convert/read/zip.h"

typedef struct torch_reader {
  const char *what;
  dit_error *error;
  zip archive;
  const char *prefix; /* of the names in the archive, without its slash */
  size_t prefix_length;
} torch_reader;

static const zip_entry *find_entry(const torch_reader *r, const char *folder, const char *name, size_t length) {
  char path[600];
  size_t folder_length = strlen(folder);
  if (r->prefix_length + folder_length + length > sizeof path) return NULL;
  memcpy(path, r->prefix, r->prefix_length);
  memcpy(path + r->prefix_length, folder, folder_length);
  memcpy(path + r->prefix_length + folder_length, name, length);
  return zip_find(&r->archive, path, r->prefix_length + folder_length + length);
}

/* Finds the one entry FOLDER/data.pkl; its folder is the prefix of all others. */
static dit_status find_pickle(torch_reader *r, const zip_entry **found) {
  static const char tail[] = "/data.pkl";
  const size_t length = sizeof tail - 1;
  *found = NULL;
  for (size_t i = 0; i < r->archive.count; i++) {
    const zip_entry *e = &r->archive.entries[i];
    if (e->name_length <= length || memcmp(e->name + e->name_length - length, tail, length) != 0) continue;
    if (memchr(e->name, '/', e->name_length - length)) continue;
    if (*found) return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: holds two checkpoints (data.pkl)", r->what);
    *found = e;
    r->prefix = e->name;
    r->prefix_length = e->name_length - length;
  }
  if (*found) return DIT_OK;
  return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: a zip archive, but not of torch.save: it has no data.pkl", r->what);
}

/* Checks the small entries beside the pickle. One of them, since version 2.1, is the machine's byte order. */
static dit_status check_archive(const torch_reader *r, const zip_entry *pickled, int *big_endian) {
  if (find_entry(r, "/", "constants.pkl", 13)) {
    return dit__fail(r->error, DIT_ERROR_UNSUPPORTED,
                     "%s: a TorchScript program; save the model's state_dict() with torch.save instead", r->what);
  }
  const zip_entry *version = find_entry(r, "/", "version", 7), *order = find_entry(r, "/", "byteorder", 9);
  if (!version) return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: the entry 'version' is missing", r->what);
  dit_status status = zip_check(pickled, 1, r->what, r->error);
  if (!status) status = zip_check(version, 1, r->what, r->error);
  if (!status && order) status = zip_check(order, 1, r->what, r->error);
  if (status || !order) return status;
  *big_endian = order->size == 3 && memcmp(order->data, "big", 3) == 0;
  if (!*big_endian && !(order->size == 6 && memcmp(order->data, "little", 6) == 0))
    return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: the entry 'byteorder' is neither little nor big", r->what);
  return status;
}

static dit_status find_storage(const state_dict_reader *reader, const state_dict_storage *storage, const uint8_t **data,
                               uint64_t *stored, const char **wrong) {
  const torch_reader *r = (const torch_reader *)reader->user;
  const zip_entry *entry = find_entry(r, "/data/", storage->key, storage->key_length);
  (void)stored;
  if (!entry || storage->view) {
    *wrong = entry ? "has a storage in a storage" : "has a storage that is not in the archive";
    return DIT_ERROR_FORMAT;
  }
  dit_status status = zip_check(entry, 0, r->what, r->error);
  if (!status && entry->size != storage->count * storage->element)
    *wrong = "has a storage whose zip entry is of another size";
  *data = entry->data;
  return status;
}

dit_status torch_list(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error) {
  torch_reader reader = {what, error, {NULL, 0}, NULL, 0};
  state_dict_reader dict = {what, "PyTorch zip checkpoint", error, find_storage, &reader, 0, NULL, size, 0};
  const zip_entry *pickled = NULL;
  pickle *p = NULL;
  dit_status status = zip_open(bytes, size, what, &reader.archive, error);
  if (!status) status = find_pickle(&reader, &pickled);
  if (!status) status = check_archive(&reader, pickled, &dict.big_endian);
  if (!status) status = pickle_open(pickled->data, (size_t)pickled->size, NULL, state_dict_names, what, &p, error);
  if (!status) status = state_dict_list(&dict, pickle_top(p), s);
  pickle_close(p);
  zip_close(&reader.archive);
  return status;
}
