/* The memory of LodePNG: each run keeps a list of its blocks, and a failure jumps out of it. */
#include "png_memory.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct block {
  struct block *next, **link; /* link points to what points to this block */
  size_t size;
} block;

enum { HEADER = (sizeof(block) + 15) / 16 * 16 };

/* LodePNG's functions get no context, so the run under way is a variable of the program. */
static struct {
  int active;
  size_t used, limit;
  block *blocks;
  jmp_buf failed;
} run;

void *lodepng_malloc(size_t size);
void *lodepng_realloc(void *memory, size_t size);
void lodepng_free(void *memory);

void png_memory_end(void) {
  while (run.blocks) lodepng_free((char *)run.blocks + HEADER);
  run.used = 0;
}

int png_memory_run(size_t limit, int (*work)(void *context), void *context) {
  png_memory_end();
  run.limit = limit;
  run.active = 1;
  int status = PNG_MEMORY_FAILED;
  if (setjmp(run.failed) == 0) {
    const int result = work(context);
    run.active = 0;
    return result;
  }
  run.active = 0;
  png_memory_end();
  return status;
}

static void *fail_run(void) {
  if (run.active) longjmp(run.failed, 1);
  return NULL;
}

static void enter(block *b, size_t size) {
  b->size = size;
  b->next = run.blocks;
  b->link = &run.blocks;
  if (b->next) b->next->link = &b->next;
  run.blocks = b;
  run.used += size;
}

static void leave(block *b) {
  *b->link = b->next;
  if (b->next) b->next->link = b->link;
  run.used -= b->size;
}

static int is_over_limit(size_t size) {
  return size > SIZE_MAX / 2 || (run.active && (size > run.limit || run.used > run.limit - size));
}

void *lodepng_malloc(size_t size) {
  block *b = is_over_limit(size) ? NULL : (block *)malloc(HEADER + size);
  if (!b) return fail_run();
  enter(b, size);
  return (char *)b + HEADER;
}

void *lodepng_realloc(void *memory, size_t size) {
  if (!memory) return lodepng_malloc(size);
  block *old = (block *)(void *)((char *)memory - HEADER);
  if (size > old->size && is_over_limit(size - old->size)) return fail_run();
  leave(old);
  block *b = (block *)realloc(old, HEADER + size);
  if (!b) {
    enter(old, old->size);
    return fail_run();
  }
  enter(b, size);
  return (char *)b + HEADER;
}

void lodepng_free(void *memory) {
  if (!memory) return;
  block *b = (block *)(void *)((char *)memory - HEADER);
  leave(b); /* NOLINT(clang-analyzer-unix.Malloc): leave() takes what is freed out of the list that is walked */
  free(b);
}
