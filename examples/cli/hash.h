/* FNV-1a with 64 bits (Fowler, Noll, Vo): tells files apart; it is no protection against forgery. */
#ifndef CLI_HASH_H
#define CLI_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size);

/* The hash of a model file's bytes; path NULL: the embedded model. EXIT_OK, or another exit status after a message. */
int hash_model(const char *path, uint64_t *hash);

#endif
