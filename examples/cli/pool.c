/* A pool of threads that wait for tasks without keeping a processor busy: first they spin for a short time, as the next
 * tasks usually follow at once, and then they wait on a condition variable. Threads that only spin are very slow on a
 * machine that runs other programs too. */
#if !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "pool.h"

#include <stdlib.h>

#ifdef _WIN32

int32_t pool_processors(void) { return 0; } /* unknown: the library chooses */
pool *pool_open(int32_t threads) { return (void)threads, NULL; }
void pool_close(pool *p) { (void)p; }

void DIT_CALL pool_run(void *user, int32_t count, void(DIT_CALL *task)(void *context, int32_t index), void *context) {
  (void)user;
  for (int32_t i = 0; i < count; i++) task(context, i);
}

#else

#include <pthread.h>
#ifdef __linux__
#include <sched.h>
#endif
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum { SPINS = 2000 /* about 10 to 100 microseconds */, MAX_THREADS = 1024 };

/* All members are guarded by the lock. The two atomics are written with the lock held, but may be read without it.
 * Tasks are few and large, so that taking the lock for each of them costs nothing. */
struct pool {
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  void(DIT_CALL *task)(void *context, int32_t index);
  void *context;
  int32_t count, next;
  atomic_int round;    /* changes with each call of pool_run, and when the pool closes */
  atomic_int finished; /* tasks of this round that have ended */
  int ending;
  int32_t thread_count;
  pthread_t threads[];
};

int32_t pool_processors(void) {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set) < 1 ? 1 : CPU_COUNT(&set);
#endif
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (int32_t)count;
}

static void cpu_relax(void) {
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
  __builtin_ia32_pause();
#endif
}

/* Spins for a moment, without the lock, until `value` is `number`, or with `away` until it no longer is. */
static void spin(pool *p, atomic_int *value, int number, int away) {
  pthread_mutex_unlock(&p->lock);
  for (int i = 0; i < SPINS && (atomic_load_explicit(value, memory_order_relaxed) != number) != away; i++) cpu_relax();
  pthread_mutex_lock(&p->lock);
}

/* Runs tasks of this round while there are any. The lock must be held. */
static void take_tasks(pool *p) {
  while (p->next < p->count) {
    int32_t index = p->next++;
    pthread_mutex_unlock(&p->lock);
    p->task(p->context, index); /* both stay as they are until the round is finished */
    pthread_mutex_lock(&p->lock);
    if (atomic_fetch_add(&p->finished, 1) + 1 == p->count) pthread_cond_signal(&p->done);
  }
}

static void *work(void *argument) {
  pool *p = (pool *)argument;
  pthread_mutex_lock(&p->lock);
  while (!p->ending) {
    take_tasks(p);
    int round = atomic_load(&p->round);
    spin(p, &p->round, round, 1);
    while (!p->ending && p->next == p->count && atomic_load(&p->round) == round) {
      pthread_cond_wait(&p->work, &p->lock);
    }
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

pool *pool_open(int32_t threads) {
  pool *p = threads > 1 ? (pool *)calloc(1, sizeof *p + (size_t)(threads - 1) * sizeof p->threads[0]) : NULL;
  sigset_t all, before;
  if (!p) return NULL;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->work, NULL);
  pthread_cond_init(&p->done, NULL);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before); /* the main thread gets all signals */
  while (p->thread_count < threads - 1 && pthread_create(&p->threads[p->thread_count], NULL, work, p) == 0) {
    p->thread_count++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return p;
}

void pool_close(pool *p) {
  if (!p) return;
  pthread_mutex_lock(&p->lock);
  p->ending = 1;
  atomic_fetch_add(&p->round, 1);
  pthread_cond_broadcast(&p->work);
  pthread_mutex_unlock(&p->lock);
  for (int32_t i = 0; i < p->thread_count; i++) pthread_join(p->threads[i], NULL);
  pthread_cond_destroy(&p->done);
  pthread_cond_destroy(&p->work);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

void DIT_CALL pool_run(void *user, int32_t count, void(DIT_CALL *task)(void *context, int32_t index), void *context) {
  pool *p = (pool *)user;
  pthread_mutex_lock(&p->lock);
  p->task = task;
  p->context = context;
  p->count = count;
  p->next = 0;
  atomic_store(&p->finished, 0);
  atomic_fetch_add(&p->round, 1);
  pthread_cond_broadcast(&p->work);
  take_tasks(p);
  if (atomic_load(&p->finished) < count) spin(p, &p->finished, count, 0);
  while (atomic_load(&p->finished) < count) pthread_cond_wait(&p->done, &p->lock);
  pthread_mutex_unlock(&p->lock);
}

#endif
