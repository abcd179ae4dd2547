/* Small models with synthetic weights, made once in a process. */
#ifndef DIT_FUZZ_TINY_H
#define DIT_FUZZ_TINY_H

#include <stddef.h>
#include <stdint.h>

enum { TINY_MODELS = 5 };

/* Returns the bytes of a model: f32, f16, q8 or q4 with both networks, or f32 with a transformer alone. */
const uint8_t *tiny_model(int which, size_t *size);

#endif
