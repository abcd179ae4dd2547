#ifndef DIT_FUZZ_PNG_H
#define DIT_FUZZ_PNG_H

#include <stddef.h>
#include <stdint.h>

/* Writes the right sums into the chunks of a PNG file, and into the compressed texts and pixels in them. */
size_t fuzz_mend_png(uint8_t *data, size_t size, size_t room);

#endif
