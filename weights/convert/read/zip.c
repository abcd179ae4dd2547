#include "weights/convert/read/zip.h"

#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/little_endian.h"
#include "weights/convert/read/text.h"

/* Sizes of the records without their variable parts, and the largest number of entries. */
enum { LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56, LOCATOR = 20, ZIP_ENTRIES = 1 << 20 };
static const uint32_t local_mark = 0x04034b50, central_mark = 0x02014b50, end_mark = 0x06054b50,
                      end64_mark = 0x06064b50, locator_mark = 0x07064b50, descriptor_mark = 0x08074b50;
enum { FLAG_ENCRYPTED = 0x2041, FLAG_DESCRIPTOR = 8 }; /* encrypted, strongly, or with a masked directory */

typedef struct zip_reader {
  const uint8_t *bytes;
  uint64_t size;
  uint64_t directory, directory_end, count; /* offsets of the central directory, and its entries */
  const char *what;
  dit_error *error;
} zip_reader;

/* One entry as the central directory has it. */
typedef struct zip_central {
  uint16_t flags, method;
  uint64_t size, packed, local; /* `local`: offset of the local header */
} zip_central;

static dit_status fail(const zip_reader *r, const char *sentence) {
  return dit__fail(r->error, DIT_ERROR_FORMAT, "%s: damaged zip archive: %s", r->what, sentence);
}

static dit_status fail_entry(const zip_reader *r, dit_status status, const zip_entry *e, const char *sentence) {
  char shown[TEXT_SHOWN];
  return dit__fail(r->error, status, "%s: zip entry '%s' %s", r->what, text_shown(shown, e->name, e->name_length),
                   sentence);
}

/* Returns the offset of the end record, which only a comment that fills the rest exactly may follow; r->size if there is
 * none. */
static uint64_t find_end(const zip_reader *r) {
  for (uint64_t comment = 0; comment <= 0xffff && comment + END <= r->size; comment++) {
    uint64_t at = r->size - END - comment;
    if (load_le32(r->bytes + at) == end_mark && load_le16(r->bytes + at + 20) == comment) return at;
  }
  return r->size;
}

/* Reads the zip64 end record that the locator before `end` points to. Both end records must agree. */
static dit_status read_end64(zip_reader *r, uint64_t end) {
  const uint8_t *locator = r->bytes + end - LOCATOR, *short_end = r->bytes + end;
  uint64_t at = load_le64(locator + 8), limit = end - LOCATOR;
  if (load_le32(locator + 4) != 0 || load_le32(locator + 16) > 1) return fail(r, "it is one part of a split archive");
  if (at > limit || limit - at < END64) return fail(r, "the zip64 end record lies outside");
  const uint8_t *p = r->bytes + at;
  if (load_le32(p) != end64_mark || load_le64(p + 4) != limit - at - 12) return fail(r, "no zip64 end record");
  if (load_le32(p + 16) != 0 || load_le32(p + 20) != 0 || load_le64(p + 24) != load_le64(p + 32)) {
    return fail(r, "it is one part of a split archive");
  }
  r->count = load_le64(p + 32);
  r->directory = load_le64(p + 48);
  r->directory_end = at;
  uint16_t count = load_le16(short_end + 10);
  uint32_t size = load_le32(short_end + 12), offset = load_le32(short_end + 16);
  if ((count != 0xffff && count != r->count) || (size != 0xffffffff && size != load_le64(p + 40)) ||
      (offset != 0xffffffff && offset != r->directory)) {
    return fail(r, "its two end records differ");
  }
  if (r->directory > at || at - r->directory != load_le64(p + 40)) return fail(r, "the directory's place is wrong");
  return DIT_OK;
}

/* Finds the central directory, which must end where the end records begin. */
static dit_status read_end(zip_reader *r) {
  uint64_t end = find_end(r);
  if (end == r->size) return fail(r, "its end is missing; the file is probably not complete, so fetch it again");
  const uint8_t *p = r->bytes + end;
  if (load_le16(p + 4) != 0 || load_le16(p + 6) != 0 || load_le16(p + 8) != load_le16(p + 10)) {
    return fail(r, "it is one part of a split archive");
  }
  if (end >= LOCATOR && load_le32(p - LOCATOR) == locator_mark) return read_end64(r, end);
  r->count = load_le16(p + 10);
  r->directory = load_le32(p + 16);
  r->directory_end = end;
  if (r->directory > end || end - r->directory != load_le32(p + 12)) return fail(r, "the directory's place is wrong");
  return DIT_OK;
}

/* Reads the 64-bit values of an extra field into those of `values` that are not NULL, in order. Returns 0 if they are
 * missing or malformed. */
static int read_extra(const uint8_t *extra, size_t length, uint64_t *values[3]) {
  while (length >= 4) {
    size_t size = load_le16(extra + 2);
    if (size > length - 4) return 0;
    if (load_le16(extra) == 1) {
      size_t used = 0;
      for (int i = 0; i < 3; i++) {
        if (!values[i]) continue;
        if (size - used < 8) return 0;
        *values[i] = load_le64(extra + 4 + used);
        used += 8;
      }
      return 1;
    }
    extra += 4 + size;
    length -= 4 + size;
  }
  return 0;
}

/* Takes the central header at *at. */
static dit_status read_central(const zip_reader *r, uint64_t *at, zip_entry *e, zip_central *c) {
  uint64_t left = r->directory_end - *at;
  const uint8_t *p = r->bytes + *at;
  if (left < CENTRAL || load_le32(p) != central_mark) return fail(r, "the directory has fewer entries than it says");
  size_t extra = load_le16(p + 30), length = CENTRAL + (size_t)load_le16(p + 28) + extra + load_le16(p + 32);
  if (length > left) return fail(r, "an entry of the directory is cut off");
  *at += length;
  e->name = (const char *)p + CENTRAL;
  e->name_length = load_le16(p + 28);
  e->crc = load_le32(p + 16);
  c->flags = load_le16(p + 8);
  c->method = load_le16(p + 10);
  c->packed = load_le32(p + 20);
  c->size = load_le32(p + 24);
  c->local = load_le32(p + 42);
  if (memchr(e->name, 0, e->name_length)) return fail_entry(r, DIT_ERROR_FORMAT, e, "has a NUL in its name");
  if (c->flags & FLAG_ENCRYPTED) return fail_entry(r, DIT_ERROR_UNSUPPORTED, e, "is encrypted");
  uint64_t *wide[3] = {c->size == 0xffffffff ? &c->size : NULL, c->packed == 0xffffffff ? &c->packed : NULL,
                       c->local == 0xffffffff ? &c->local : NULL};
  if ((wide[0] || wide[1] || wide[2]) && !read_extra(p + CENTRAL + e->name_length, extra, wide)) {
    return fail_entry(r, DIT_ERROR_FORMAT, e, "has no 64-bit sizes");
  }
  if (c->method == 0 && c->size != c->packed)
    return fail_entry(r, DIT_ERROR_FORMAT, e, "is stored, but with two sizes");
  if (load_le16(p + 34) != 0) return fail(r, "it is one part of a split archive");
  e->size = c->packed;
  e->compressed = c->method != 0;
  return DIT_OK;
}

/* Returns the length of the descriptor that follows the data: mark, CRC, and both sizes in 32 or 64 bits. 0 if it does not
 * match the central header. */
static uint64_t descriptor_length(const zip_reader *r, const zip_entry *e, const zip_central *c, uint64_t at) {
  const uint8_t *p = r->bytes + at;
  uint64_t left = r->directory - at;
  if (left < 16 || load_le32(p) != descriptor_mark || load_le32(p + 4) != e->crc) return 0;
  if (left >= 24 && load_le64(p + 8) == c->packed && load_le64(p + 16) == c->size) return 24;
  return load_le32(p + 8) == c->packed && load_le32(p + 12) == c->size ? 16 : 0;
}

/* Compares the local header with the central one, and finds the data. */
static dit_status read_local(const zip_reader *r, zip_entry *e, const zip_central *c) {
  if (c->local > r->directory || r->directory - c->local < LOCAL) {
    return fail_entry(r, DIT_ERROR_FORMAT, e, "begins outside the file");
  }
  const uint8_t *p = r->bytes + c->local;
  uint64_t left = r->directory - c->local;
  size_t name = load_le16(p + 26), extra = load_le16(p + 28), header = LOCAL + name + extra;
  if (load_le32(p) != local_mark || header > left) return fail_entry(r, DIT_ERROR_FORMAT, e, "has no local header");
  if (name != e->name_length || memcmp(p + LOCAL, e->name, name) != 0) {
    return fail_entry(r, DIT_ERROR_FORMAT, e, "has another name in its local header");
  }
  if (load_le16(p + 6) != c->flags || load_le16(p + 8) != c->method) {
    return fail_entry(r, DIT_ERROR_FORMAT, e, "has other flags or another method in its local header");
  }
  uint32_t crc = load_le32(p + 14);
  uint64_t packed = load_le32(p + 18), size = load_le32(p + 22);
  uint64_t *wide[3] = {size == 0xffffffff ? &size : NULL, packed == 0xffffffff ? &packed : NULL, NULL};
  if ((wide[0] || wide[1]) && !read_extra(p + LOCAL + name, extra, wide)) {
    return fail_entry(r, DIT_ERROR_FORMAT, e, "has no 64-bit sizes in its local header");
  }
  int later = c->flags & FLAG_DESCRIPTOR; /* then sizes and CRC may be 0 here */
  if (!(crc == e->crc || (later && crc == 0)) || !(packed == c->packed || (later && packed == 0)) ||
      !(size == c->size || (later && size == 0))) {
    return fail_entry(r, DIT_ERROR_FORMAT, e, "has another size or CRC in its local header");
  }
  if (e->size > left - header) return fail_entry(r, DIT_ERROR_FORMAT, e, "ends outside the file");
  e->data = p + header;
  e->begin = c->local;
  e->end = c->local + header + e->size;
  if (later) {
    uint64_t length = descriptor_length(r, e, c, e->end);
    if (length == 0) return fail_entry(r, DIT_ERROR_FORMAT, e, "has another size or CRC after its data");
    e->end += length;
  }
  return DIT_OK;
}

static int compare_begin(const void *a, const void *b) {
  uint64_t x = ((const zip_entry *)a)->begin, y = ((const zip_entry *)b)->begin;
  return (x > y) - (x < y);
}

static int compare_text(const char *a, size_t a_length, const char *b, size_t b_length) {
  int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
  return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_entries(const void *a, const void *b) {
  const zip_entry *x = (const zip_entry *)a, *y = (const zip_entry *)b;
  return compare_text(x->name, x->name_length, y->name, y->name_length);
}

/* Checks that no byte and no name belongs to two entries, and leaves the entries sorted by name. */
static dit_status check_disjoint(const zip_reader *r, zip *archive) {
  zip_entry *e = archive->entries;
  qsort(e, archive->count, sizeof *e, compare_begin);
  for (size_t i = 1; i < archive->count; i++) {
    if (e[i].begin < e[i - 1].end) return fail_entry(r, DIT_ERROR_FORMAT, &e[i], "overlaps another entry");
  }
  qsort(e, archive->count, sizeof *e, compare_entries);
  for (size_t i = 1; i < archive->count; i++) {
    if (compare_entries(&e[i - 1], &e[i]) == 0) return fail_entry(r, DIT_ERROR_FORMAT, &e[i], "occurs twice");
  }
  return DIT_OK;
}

static dit_status read_entries(zip_reader *r, zip *archive) {
  uint64_t at = r->directory;
  for (size_t i = 0; i < archive->count; i++) {
    zip_central central;
    dit_status status = read_central(r, &at, &archive->entries[i], &central);
    if (!status) status = read_local(r, &archive->entries[i], &central);
    if (status) return status;
  }
  if (at != r->directory_end) return fail(r, "the directory has more than the entries it counts");
  return check_disjoint(r, archive);
}

dit_status zip_open(const uint8_t *bytes, size_t size, const char *what, zip *archive, dit_error *error) {
  zip_reader reader = {bytes, size, 0, 0, 0, what, error};
  memset(archive, 0, sizeof *archive);
  dit_status status = read_end(&reader);
  if (status) return status;
  if (reader.count == 0) return fail(&reader, "it is empty");
  if (reader.count > (reader.directory_end - reader.directory) / CENTRAL || reader.count > ZIP_ENTRIES) {
    return fail(&reader, "the number of entries is impossible");
  }
  archive->count = (size_t)reader.count;
  archive->entries = (zip_entry *)calloc(archive->count, sizeof *archive->entries);
  if (!archive->entries) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", what);
  status = read_entries(&reader, archive);
  if (status) zip_close(archive);
  return status;
}

void zip_close(zip *archive) {
  free(archive->entries);
  archive->entries = NULL;
  archive->count = 0;
}

const zip_entry *zip_find(const zip *archive, const char *name, size_t length) {
  size_t low = 0, high = archive->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const zip_entry *e = &archive->entries[middle];
    int order = compare_text(e->name, e->name_length, name, length);
    if (order == 0) return e;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

static uint32_t crc32_of(const uint8_t *bytes, uint64_t size) {
  static const uint32_t nibbles[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  uint32_t crc = 0xffffffff;
  for (uint64_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    crc = nibbles[crc & 15] ^ crc >> 4;
    crc = nibbles[crc & 15] ^ crc >> 4;
  }
  return crc ^ 0xffffffff;
}

dit_status zip_check(const zip_entry *e, int whole, const char *what, dit_error *error) {
  char shown[TEXT_SHOWN];
  text_shown(shown, e->name, e->name_length);
  if (e->compressed) {
    return dit__fail(
        error, DIT_ERROR_UNSUPPORTED,
        "%s: zip entry '%s' is compressed, which torch.save never does; load it in PyTorch and save it again", what,
        shown);
  }
  if (!whole || crc32_of(e->data, e->size) == e->crc) return DIT_OK;
  return dit__fail(error, DIT_ERROR_FORMAT, "%s: zip entry '%s' is damaged (its CRC-32 is wrong); fetch the file again",
                   what, shown);
}
