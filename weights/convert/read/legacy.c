#include "weights/convert/read/legacy.h"

#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/little_endian.h"
#include "weights/convert/read/state_dict.h"
#include "weights/convert/read/text.h"

enum { VERSION = 1001 };

/* A storage: what the pickle says about it, and where its bytes are. */
typedef struct legacy_storage {
  state_dict_storage about;
  const uint8_t *data; /* NULL: not found yet */
} legacy_storage;

typedef struct legacy_reader {
  const uint8_t *bytes;
  size_t size, at;
  const char *what;
  dit_error *error;
  legacy_storage *storages; /* sorted by key */
  size_t count;
} legacy_reader;

static dit_status fail(const legacy_reader *r, const char *sentence) {
  return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: damaged PyTorch checkpoint (format before version 1.6): %s",
                   r->what, sentence);
}

/* Returns the length of the pickle of the magic number 0x1950a86a20f9469cfc6c, or 0 if it is not there. Its opcodes are
 * PROTO, FRAME in protocols from 4 on, LONG1 with ten bytes, and STOP. */
static size_t magic_length(const uint8_t *bytes, size_t size) {
  static const char number[] = "\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  const size_t length = sizeof number - 1, frame = size > 2 && bytes[2] == 0x95 ? 9 : 0;
  if (size < 2 + frame + length || bytes[0] != 0x80 || bytes[1] < 2 || bytes[1] > 5) return 0;
  return memcmp(bytes + 2 + frame, number, length) == 0 ? 2 + frame + length : 0;
}

int legacy_is(const uint8_t *bytes, size_t size) { return magic_length(bytes, size) != 0; }

/* Takes the pickle at the cursor. */
static dit_status next_pickle(legacy_reader *r, pickle **out) {
  size_t used = 0;
  dit_status status = pickle_open(r->bytes + r->at, r->size - r->at, &used, state_dict_names, r->what, out, r->error);
  r->at += used;
  return status;
}

/* Takes the version of the format, and the description of the machine that wrote the file. Its byte order does not
 * matter: storages are little-endian anyway. */
static dit_status read_head(legacy_reader *r) {
  pickle *version = NULL, *machine = NULL;
  r->at = magic_length(r->bytes, r->size);
  dit_status status = next_pickle(r, &version);
  if (!status) status = next_pickle(r, &machine);
  if (!status && !(pickle_top(version)->kind == PICKLE_INTEGER && pickle_top(version)->of.integer == VERSION))
    status = fail(r, "its version is not 1001");
  pickle_close(version);
  pickle_close(machine);
  return status;
}

/* ---- Storages ---- */

static int compare_keys(const void *a, const void *b) {
  const state_dict_storage *x = &((const legacy_storage *)a)->about, *y = &((const legacy_storage *)b)->about;
  int order = memcmp(x->key, y->key, x->key_length < y->key_length ? x->key_length : y->key_length);
  return order ? order : (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

/* Collects the storages that the pickle mentions, each of them once. */
static dit_status gather_storages(legacy_reader *r, const pickle *p) {
  size_t mentioned = 0, cursor = 0, kept = 0;
  state_dict_storage about;
  while (state_dict_next_storage(p, &cursor, &about)) mentioned++;
  r->storages = (legacy_storage *)calloc(mentioned + 1, sizeof *r->storages);
  if (!r->storages) return dit__fail(r->error, DIT_ERROR_MEMORY, "%s: out of memory", r->what);
  cursor = 0;
  while (state_dict_next_storage(p, &cursor, &about)) r->storages[r->count++].about = about;
  qsort(r->storages, r->count, sizeof *r->storages, compare_keys);
  for (size_t i = 0; i < r->count; i++) {
    legacy_storage *last = kept ? &r->storages[kept - 1] : NULL;
    if (!last || compare_keys(last, &r->storages[i]))
      r->storages[kept++] = r->storages[i];
    else if (last->about.type != r->storages[i].about.type || last->about.count != r->storages[i].about.count)
      return fail(r, "a storage has two types or sizes");
  }
  r->count = kept;
  return DIT_OK;
}

static legacy_storage *find(const legacy_reader *r, const char *key, size_t length) {
  legacy_storage wanted;
  wanted.about.key = key;
  wanted.about.key_length = length;
  return (legacy_storage *)bsearch(&wanted, r->storages, r->count, sizeof *r->storages, compare_keys);
}

/* Finds the bytes of the storages. They follow in the order of the list of keys: the number of elements in 64 bits, then
 * the elements. */
static dit_status place_storages(legacy_reader *r, const pickle_value *keys) {
  if (keys->kind != PICKLE_LIST) return fail(r, "there is no list of storages");
  for (size_t i = 0; i < keys->count; i++) {
    const pickle_value *key = keys->of.items[i];
    legacy_storage *s = key->kind == PICKLE_TEXT ? find(r, key->of.text, key->count) : NULL;
    if (!s || s->data) return fail(r, s ? "a storage is listed twice" : "a storage is listed that no tensor has");
    if (r->size - r->at < 8) return fail(r, "it is cut off; fetch it again");
    uint64_t count = load_le64(r->bytes + r->at);
    r->at += 8;
    if (count != s->about.count) return fail(r, "a storage is of another size than its tensors say");
    if (count > (r->size - r->at) / s->about.element) return fail(r, "it is cut off; fetch it again");
    s->data = r->bytes + r->at;
    r->at += (size_t)(count * s->about.element);
  }
  return r->at == r->size ? DIT_OK : fail(r, "something follows its end");
}

/* Takes a view (key, offset, size), in elements: a part of a storage, which old versions could give to a tensor. */
static const char *take_view(const pickle_value *view, uint64_t *offset, uint64_t *stored) {
  const pickle_value *begin = view->kind == PICKLE_TUPLE && view->count == 3 ? view->of.items[1] : NULL;
  const pickle_value *size = begin ? view->of.items[2] : NULL;
  if (!begin || begin->kind != PICKLE_INTEGER || size->kind != PICKLE_INTEGER || begin->of.integer < 0 ||
      size->of.integer < 0 || (uint64_t)begin->of.integer > *stored ||
      (uint64_t)size->of.integer > *stored - (uint64_t)begin->of.integer)
    return "has a malformed storage";
  *offset = (uint64_t)begin->of.integer;
  *stored = (uint64_t)size->of.integer;
  return NULL;
}

static dit_status find_storage(const state_dict_reader *reader, const state_dict_storage *storage, const uint8_t **data,
                               uint64_t *stored, const char **wrong) {
  const legacy_storage *s = find((const legacy_reader *)reader->user, storage->key, storage->key_length);
  uint64_t offset = 0;
  if (!s || !s->data)
    *wrong = "has a storage that is not in the file";
  else if (storage->view)
    *wrong = take_view(storage->view, &offset, stored);
  if (!*wrong) *data = s->data + offset * storage->element;
  return *wrong ? DIT_ERROR_FORMAT : DIT_OK;
}

dit_status legacy_list(const uint8_t *bytes, size_t size, const char *what, checkpoint *s, dit_error *error) {
  legacy_reader reader = {bytes, size, 0, what, error, NULL, 0};
  state_dict_reader dict = {what, "PyTorch checkpoint of before 1.6", error, find_storage, &reader, 0, NULL, size, 0};
  pickle *object = NULL, *keys = NULL;
  dit_status status = read_head(&reader);
  if (!status) status = next_pickle(&reader, &object);
  if (!status) status = next_pickle(&reader, &keys);
  if (!status) status = gather_storages(&reader, object);
  if (!status) status = place_storages(&reader, pickle_top(keys));
  if (!status) status = state_dict_list(&dict, pickle_top(object), s);
  pickle_close(object);
  pickle_close(keys);
  free(reader.storages);
  return status;
}
