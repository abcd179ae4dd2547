#ifndef DIT_FUZZ_JSON_H
#define DIT_FUZZ_JSON_H

#include <stddef.h>
#include <stdint.h>

/* Changes a JSON text, wherever it lies in the data, in ways that leave it valid: another number in place of one, or two
 * values exchanged. Returns the new size, or 0 if there is nothing to change. */
size_t fuzz_mutate_json(uint8_t *data, size_t size, size_t room, uint32_t seed);

#endif
