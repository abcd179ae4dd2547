/* Memory whose size is known before it is allocated: layouts of one block, and arenas for plans. */
#ifndef DIT_ARENA_H
#define DIT_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* ---- A layout: how parts lie in one block of memory, each at a multiple of 64 bytes ---- */

typedef struct dit__layout {
  size_t size;      /* bytes so far */
  int32_t overflow; /* 1 if the parts do not fit the address space; size then means nothing */
} dit__layout;

void dit__layout_open(dit__layout *layout);

/* Adds a part of `count` elements of `size` bytes, and returns its offset in the block. */
size_t dit__layout_add(dit__layout *layout, uint64_t count, size_t size);

/* ---- An arena: a workspace whose buffers are allocated and freed while a plan is made ---- */

enum { DIT__ARENA_BLOCKS = 32 }; /* the most that live at once */
typedef struct dit__arena {
  uint8_t *base;
  size_t peak; /* the bytes that the workspace needs */
  int32_t count;
  int32_t overflow; /* 1 if the blocks do not fit the address space */
  struct {
    size_t at, size;
  } block[DIT__ARENA_BLOCKS]; /* in the order of their offsets */
} dit__arena;

/* base must be a multiple of 64 bytes. The arena neither reads nor writes there, so a plan can be measured with
 * dit__nowhere as the base, and then made in as many bytes as its peak. */
void dit__arena_open(dit__arena *arena, uint8_t *base);

/* Returns a block at a multiple of 64 bytes: the first gap that is large enough. */
void *dit__arena_alloc(dit__arena *arena, uint64_t count, size_t size);

/* Makes a block larger or smaller in place. Behind a block that grows there must be room up to the next one. */
void dit__arena_resize(dit__arena *arena, const void *block, uint64_t count, size_t size);

void dit__arena_free(dit__arena *arena, const void *block);

extern uint8_t dit__nowhere[]; /* a base for measuring; nothing is read or written there */

#endif
