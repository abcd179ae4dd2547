/* Layouts and arenas: see arena.h. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/arena.h"

uint8_t dit__nowhere[64];

/* Bytes of `count` elements of `size` bytes, up to a multiple of 64; 0 with *overflow = 1 if there are too many. */
static size_t arena_bytes(uint64_t count, size_t size, int32_t *overflow) {
  if (size && count > (SIZE_MAX / 4 - 64) / size) {
    *overflow = 1;
    return 0;
  }
  return ((size_t)count * size + 63) / 64 * 64;
}

void dit__layout_open(dit__layout *layout) {
  layout->size = 0;
  layout->overflow = 0;
}

size_t dit__layout_add(dit__layout *layout, uint64_t count, size_t size) {
  const size_t at = layout->size, bytes = arena_bytes(count, size, &layout->overflow);
  if (bytes > SIZE_MAX / 2 - at)
    layout->overflow = 1;
  else
    layout->size += bytes;
  return at;
}

void dit__arena_open(dit__arena *arena, uint8_t *base) {
  memset(arena, 0, sizeof *arena);
  arena->base = base;
}

void *dit__arena_alloc(dit__arena *arena, uint64_t count, size_t size) {
  const size_t bytes = arena_bytes(count, size, &arena->overflow);
  size_t at = 0;
  int32_t i = 0;
  while (i < arena->count && arena->block[i].at - at < bytes) {
    at = arena->block[i].at + arena->block[i].size;
    i++;
  }
  memmove(arena->block + i + 1, arena->block + i, (size_t)(arena->count - i) * sizeof arena->block[0]);
  arena->block[i].at = at;
  arena->block[i].size = bytes;
  arena->count++;
  if (at + bytes > arena->peak) arena->peak = at + bytes;
  return arena->base + at;
}

static int32_t arena_find(const dit__arena *arena, const void *block) {
  const size_t at = (size_t)((const uint8_t *)block - arena->base);
  int32_t i = 0;
  while (arena->block[i].at != at) i++;
  return i;
}

void dit__arena_resize(dit__arena *arena, const void *block, uint64_t count, size_t size) {
  const int32_t i = arena_find(arena, block);
  const size_t bytes = arena_bytes(count, size, &arena->overflow), end = arena->block[i].at + bytes;
  arena->block[i].size = bytes;
  if (i + 1 < arena->count && end > arena->block[i + 1].at) arena->overflow = 1;
  if (end > arena->peak) arena->peak = end;
}

void dit__arena_free(dit__arena *arena, const void *block) {
  const int32_t i = arena_find(arena, block);
  arena->count--;
  memmove(arena->block + i, arena->block + i + 1, (size_t)(arena->count - i) * sizeof arena->block[0]);
}
