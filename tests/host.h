/* Hosts for the tests: an allocator that counts, checks and fails when asked, and three kinds of parallel_for. */
#ifndef DIT_TEST_HOST_H
#define DIT_TEST_HOST_H

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dit.h"

#if defined(__GNUC__)
#define HOST_UNUSED __attribute__((unused))
#else
#define HOST_UNUSED
#endif

enum { HOST_BLOCKS = 2048 };

typedef struct host {
  /* The allocator; for one thread. */
  struct {
    void *block;
    size_t size;
  } live[HOST_BLOCKS];
  int count;    /* of live blocks */
  long calls;   /* of allocate so far */
  size_t last;  /* size of the last block asked for */
  long fail_at; /* number of the call that fails, counted from 1; 0: none */
  int wrong;    /* releases of what was never given, of a wrong size; odd alignments */
  /* parallel_for */
  int most;                                   /* largest count seen; atomic */
  void (*on_worker)(void *user, int leaving); /* called by each worker of the pool around its task, or NULL */
} host;

/* Blocks are filled with garbage, and each begins at an odd multiple of its alignment. */
HOST_UNUSED static void *DIT_CALL host_allocate(void *user, size_t size, size_t alignment) {
  host *h = (host *)user;
  h->calls++;
  h->last = size;
  if (alignment == 0 || (alignment & (alignment - 1)) || alignment > 4096) h->wrong++;
  if (h->calls == h->fail_at || h->count == HOST_BLOCKS || size > (size_t)1 << 30) return NULL;
  const size_t room = (size + 4 * alignment) / (2 * alignment) * (2 * alignment) + 2 * alignment;
  char *base = (char *)aligned_alloc(2 * alignment, room);
  if (!base) return NULL;
  memset(base, 0xa5, room);
  h->live[h->count].block = base + alignment;
  h->live[h->count++].size = size;
  return base + alignment;
}

HOST_UNUSED static void DIT_CALL host_release(void *user, void *block, size_t size) {
  host *h = (host *)user;
  for (int i = 0; i < h->count; i++)
    if (h->live[i].block == block) {
      size_t alignment = 64; /* what the library asks for */
      if (h->live[i].size != size) h->wrong++;
      memset(block, 0x5a, h->live[i].size);
      h->live[i] = h->live[--h->count];
      free((char *)block - alignment);
      return;
    }
  h->wrong++;
}

/* ---- parallel_for ---- */

HOST_UNUSED static void host_seen(void *user, int32_t count) {
  host *h = (host *)user;
  if (__atomic_load_n(&h->most, __ATOMIC_RELAXED) < count) __atomic_store_n(&h->most, count, __ATOMIC_RELAXED);
}

HOST_UNUSED static void DIT_CALL host_serial(void *user, int32_t count, void(DIT_CALL *task)(void *, int32_t),
                                             void *context) {
  host_seen(user, count);
  for (int32_t i = 0; i < count; i++) task(context, i);
}

HOST_UNUSED static void DIT_CALL host_reversed(void *user, int32_t count, void(DIT_CALL *task)(void *, int32_t),
                                               void *context) {
  host_seen(user, count);
  for (int32_t i = count; i-- > 0;) task(context, i);
}

typedef struct host_part {
  host *h;
  void(DIT_CALL *task)(void *, int32_t);
  void *context;
  int32_t index;
} host_part;

static void *host_worker(void *argument) {
  const host_part *part = (const host_part *)argument;
  if (part->h->on_worker) part->h->on_worker(part->h, 0);
  part->task(part->context, part->index);
  if (part->h->on_worker) part->h->on_worker(part->h, 1);
  return NULL;
}

/* A thread for each task; those that cannot be started are run here. */
HOST_UNUSED static void DIT_CALL host_threads(void *user, int32_t count, void(DIT_CALL *task)(void *, int32_t),
                                              void *context) {
  enum { MOST = 64 };
  pthread_t threads[MOST];
  host_part parts[MOST];
  int started[MOST];
  host_seen(user, count);
  for (int32_t i = 0; i < count; i++) {
    const host_part part = {(host *)user, task, context, i};
    if (i >= MOST) {
      task(context, i);
      continue;
    }
    parts[i] = part;
    started[i] = pthread_create(&threads[i], NULL, host_worker, &parts[i]) == 0;
    if (!started[i]) task(context, i);
  }
  for (int32_t i = 0; i < count && i < MOST; i++)
    if (started[i]) pthread_join(threads[i], NULL);
}

/* Options with the counting allocator. */
HOST_UNUSED static dit_options host_options(host *h) {
  dit_options options;
  memset(&options, 0, sizeof options);
  memset(h, 0, sizeof *h);
  options.struct_size = sizeof options;
  options.user = h;
  options.allocate = host_allocate;
  options.release = host_release;
  return options;
}

/* 1 if a message is a terminated, non-empty line of UTF-8. */
HOST_UNUSED static int host_sentence(const dit_error *error) {
  const unsigned char *at = (const unsigned char *)error->message;
  if (!memchr(error->message, 0, sizeof error->message) || !*at) return 0;
  while (*at) {
    const int extra = *at < 0x80                  ? 0
                      : *at >= 0xc2 && *at < 0xe0 ? 1
                      : *at >= 0xe0 && *at < 0xf0 ? 2
                      : *at >= 0xf0 && *at < 0xf5 ? 3
                                                  : -1;
    if (extra < 0 || *at < 0x20 || *at == 0x7f) return 0;
    at++;
    for (int i = 0; i < extra; i++)
      if ((*at++ & 0xc0) != 0x80) return 0;
  }
  return 1;
}

#endif
