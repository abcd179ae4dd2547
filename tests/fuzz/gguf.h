#ifndef DIT_FUZZ_GGUF_H
#define DIT_FUZZ_GGUF_H

#include <stddef.h>
#include <stdint.h>

/* Gives one field of a GGUF file another value: a count, a length, a key's number, a type, an extent or an offset. */
size_t fuzz_mutate_gguf(uint8_t *data, size_t size, size_t room, uint32_t seed);
/* Appends zeros as long as a tensor begins or ends beyond the end of the file by a little. */
size_t fuzz_mend_gguf(uint8_t *data, size_t size, size_t room);

#endif
