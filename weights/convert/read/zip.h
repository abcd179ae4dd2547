/* The directory of a zip archive in memory. Entries that are stored without compression are used in place. */
#ifndef DIT_CONVERT_ZIP_H
#define DIT_CONVERT_ZIP_H

#include "dit.h"

typedef struct zip_entry {
  const char *name; /* in the archive, not terminated */
  size_t name_length;
  const uint8_t *data;
  uint64_t size;       /* in the archive */
  uint64_t begin, end; /* offsets of the entry, with header and descriptor */
  uint32_t crc;
  int compressed; /* 1: nothing here can read it */
} zip_entry;

typedef struct zip {
  zip_entry *entries; /* sorted by name */
  size_t count;
} zip;

/* Checks the whole structure: every entry lies in the archive, local and central headers agree, and no two entries share
 * a name or bytes. The contents are not read; see zip_check. `what` names the file in messages. */
dit_status zip_open(const uint8_t *bytes, size_t size, const char *what, zip *archive, dit_error *error);
void zip_close(zip *archive);

const zip_entry *zip_find(const zip *archive, const char *name, size_t length); /* NULL: none */

/* Checks that the entry is stored without compression and, if `whole` is 1, that its CRC-32 is right. The latter reads
 * every byte, so it is for small entries: gigabytes of weights are not checked. */
dit_status zip_check(const zip_entry *entry, int whole, const char *what, dit_error *error);

#endif
