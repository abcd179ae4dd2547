/* What all operating systems share: the host's allocator, and atomics, which are the compiler's. */
#include "lib/core/numerics.h"

#if defined(_MSC_VER)
#include <intrin.h>
#endif

#include "lib/core/platform.h"

void *dit__allocate(const dit_options *hooks, size_t size, size_t alignment) {
  if (hooks && hooks->allocate) return hooks->allocate(hooks->user, size, alignment);
  return dit__system_allocate(size, alignment);
}

void dit__release(const dit_options *hooks, void *block, size_t size) {
  if (!block) return;
  if (hooks && hooks->release)
    hooks->release(hooks->user, block, size);
  else
    dit__system_release(block);
}

#if defined(_MSC_VER)
intptr_t dit__atomic_add(intptr_t *value, intptr_t summand) {
#ifdef _WIN64
  return _InterlockedExchangeAdd64(value, summand) + summand;
#else
  return _InterlockedExchangeAdd((volatile long *)value, summand) + summand;
#endif
}
intptr_t dit__atomic_load(const intptr_t *value) { return dit__atomic_add((intptr_t *)value, 0); }
void dit__atomic_store(intptr_t *value, intptr_t to) {
#ifdef _WIN64
  _InterlockedExchange64(value, to);
#else
  _InterlockedExchange((volatile long *)value, to);
#endif
}
#else
intptr_t dit__atomic_add(intptr_t *value, intptr_t summand) {
  return __atomic_add_fetch(value, summand, __ATOMIC_SEQ_CST);
}
intptr_t dit__atomic_load(const intptr_t *value) { return __atomic_load_n(value, __ATOMIC_SEQ_CST); }
void dit__atomic_store(intptr_t *value, intptr_t to) { __atomic_store_n(value, to, __ATOMIC_SEQ_CST); }
#endif
