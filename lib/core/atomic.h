/* Atomic integers, sequentially consistent. */
#ifndef DIT_ATOMIC_H
#define DIT_ATOMIC_H

#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

/* dit__atomic_add returns the sum. */
#if defined(_MSC_VER)
static inline intptr_t dit__atomic_add(intptr_t *value, intptr_t summand) {
#ifdef _WIN64
  return _InterlockedExchangeAdd64(value, summand) + summand;
#else
  return _InterlockedExchangeAdd((volatile long *)value, summand) + summand;
#endif
}
static inline intptr_t dit__atomic_load(const intptr_t *value) { return dit__atomic_add((intptr_t *)value, 0); }
static inline void dit__atomic_store(intptr_t *value, intptr_t to) {
#ifdef _WIN64
  _InterlockedExchange64(value, to);
#else
  _InterlockedExchange((volatile long *)value, to);
#endif
}
#else
static inline intptr_t dit__atomic_add(intptr_t *value, intptr_t summand) {
  return __atomic_add_fetch(value, summand, __ATOMIC_SEQ_CST);
}
static inline intptr_t dit__atomic_load(const intptr_t *value) { return __atomic_load_n(value, __ATOMIC_SEQ_CST); }
static inline void dit__atomic_store(intptr_t *value, intptr_t to) { __atomic_store_n(value, to, __ATOMIC_SEQ_CST); }
#endif

#endif
