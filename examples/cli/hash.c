/* The 64-bit FNV-1a hash. */
#include "hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "message.h"
#include "weights/sprites/dit_sprites.h"

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
  const unsigned char *from = (const unsigned char *)bytes;
  for (size_t i = 0; i < size; i++) hash = (hash ^ from[i]) * UINT64_C(0x100000001b3);
  return hash;
}

static int hash_file(const char *path, uint64_t *hash) {
  const size_t block_size = (size_t)1 << 18;
  unsigned char *block = (unsigned char *)malloc(block_size);
  FILE *file = block ? fopen(path, "rb") : NULL;
  size_t got = file ? fread(block, 1, block_size, file) : 0;
  *hash = HASH_INIT;
  for (; got && !interrupt_status(); got = fread(block, 1, block_size, file)) *hash = hash_bytes(*hash, block, got);
  int status = interrupt_status();
  if (status != EXIT_OK)
    fail(status, "stopped");
  else if (!block)
    status = fail(EXIT_FAILED, "out of memory");
  else if (!file || ferror(file))
    status = fail(EXIT_FAILED, "%s: cannot be read: %s", path, strerror(errno));
  if (file) fclose(file);
  free(block);
  return status;
}

int hash_model(const char *path, uint64_t *hash) {
  size_t size;
  if (path) return hash_file(path, hash);
  const void *bytes = dit_sprites_data(&size);
  *hash = hash_bytes(HASH_INIT, bytes, size);
  return EXIT_OK;
}
