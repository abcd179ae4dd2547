#ifndef DIT_FUZZ_SAFETENSORS_H
#define DIT_FUZZ_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

/* Makes the length before the header that of the object that follows. */
size_t fuzz_mend_safetensors(uint8_t *data, size_t size, size_t room);

#endif
