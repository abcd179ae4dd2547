/* Memory that is known before it is taken: one block for many things, and a workspace whose buffers are given out and
 * taken back while a plan is made. */
#ifndef DIT_ARENA_H
#define DIT_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* ---- One block of memory for many things, each at a multiple of 64 bytes ---- */

typedef struct dit__layout {
  size_t size;
  int32_t overflow; /* 1: it would not fit the address space */
} dit__layout;

void dit__layout_open(dit__layout *layout);
size_t dit__layout_add(dit__layout *layout, uint64_t count, size_t size); /* its offset */

/* ---- A workspace ---- */

enum { DIT__ARENA_BLOCKS = 32 };
typedef struct dit__arena {
  uint8_t *base;
  size_t peak;
  int32_t count, overflow; /* overflow: it would not fit the address space */
  struct {
    size_t at, size;
  } block[DIT__ARENA_BLOCKS]; /* in order of position */
} dit__arena;

/* base is never read or written: to measure, any address will do. */
void dit__arena_open(dit__arena *arena, uint8_t *base);
void *dit__arena_alloc(dit__arena *arena, uint64_t count, size_t size);
/* Makes a block longer or shorter in place; nothing may lie behind one that grows. */
void dit__arena_resize(dit__arena *arena, const void *block, uint64_t count, size_t size);
void dit__arena_free(dit__arena *arena, const void *block);

extern uint8_t dit__nowhere[]; /* a base to measure from; nothing is read or written there */

#endif
