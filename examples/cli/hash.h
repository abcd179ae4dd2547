/* The 64-bit FNV-1a hash (Fowler, Noll, Vo). It tells files apart, but does not protect against forgery. */
#ifndef CLI_HASH_H
#define CLI_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_INIT UINT64_C(0xcbf29ce484222325)

/* Returns the hash of all bytes so far; the first call gets HASH_INIT. */
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size);

/* Hashes a model file, or the embedded model if path is NULL. Returns EXIT_OK, or another exit status after a message,
 * or without one after a signal. */
int hash_model(const char *path, uint64_t *hash);

#endif
