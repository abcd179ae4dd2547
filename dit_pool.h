/* A pool of threads for hosts of libdit that have none: a dit_options.parallel_for.
 *
 *     #define DIT_POOL_IMPLEMENTATION // in one C file of the program, before any other include
 *     #include "dit_pool.h"
 *
 *     dit_pool *pool = dit_pool_open(0);
 *     dit_options options = {.struct_size = sizeof options, .threads = dit_pool_threads(pool),
 *                            .parallel_for = dit_pool_run, .user = pool};
 *     ... dit_model_open, dit_generate, dit_model_close ...
 *     dit_pool_close(pool);
 *
 * Threads look for the next tasks for some microseconds, as these usually follow at once, and then wait in the operating
 * system: an idle pool costs nothing. They take no signals, except those of their own faults. No job waits for another
 * one: while the pool works for one, the thread of another does its tasks itself. If threads cannot be started, the pool
 * has fewer or none, and everything works, slower.
 *
 * A pool survives fork, even while other threads use it: in the child it starts threads of its own when it is used first.
 *
 * It needs POSIX threads (-pthread) or Windows. */
#ifndef DIT_POOL_H
#define DIT_POOL_H

#if defined(DIT_POOL_IMPLEMENTATION) && !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity, and POSIX under -std=c11 */
#endif

#include "dit.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dit_pool dit_pool;

/* Returns the number of processors that this process may use: at least 1. Any thread. */
int32_t dit_pool_processors(void);

/* Opens a pool in which `threads` threads work, one of them the caller of dit_pool_run; 0: one for each processor.
 * Returns NULL if there is no memory; the functions below take NULL for a pool of one thread. Any thread. */
dit_pool *dit_pool_open(int32_t threads);

/* Ends the threads. Not while a model uses the pool. */
void dit_pool_close(dit_pool *pool);

/* Returns how many threads work, the caller among them: at least 1. Any thread. */
int32_t dit_pool_threads(const dit_pool *pool);

/* The hook dit_options.parallel_for; `pool` is a dit_pool. Any thread. */
void DIT_CALL dit_pool_run(void *pool, int32_t count, void(DIT_CALL *task)(void *context, int32_t index),
                           void *context);

#ifdef __cplusplus
}
#endif
#endif

#if defined(DIT_POOL_IMPLEMENTATION) && !defined(DIT_POOL_IMPLEMENTED)
#define DIT_POOL_IMPLEMENTED
#include <stdlib.h>

enum { POOL_MOST_THREADS = 1024, POOL_LOOKS = 2000 /* 10 to 100 microseconds */ };

/* ---- What both systems have, under one name ---- */

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <process.h>
#include <windows.h>

typedef SRWLOCK pool_mutex;
typedef CONDITION_VARIABLE pool_condition;
typedef HANDLE pool_thread;
#define POOL_ENTRY unsigned __stdcall

static void pool_lock(pool_mutex *mutex) { AcquireSRWLockExclusive(mutex); }
static void pool_unlock(pool_mutex *mutex) { ReleaseSRWLockExclusive(mutex); }
static void pool_wait(pool_condition *condition, pool_mutex *mutex) {
  SleepConditionVariableSRW(condition, mutex, INFINITE, 0);
}
static void pool_wake(pool_condition *condition) { WakeAllConditionVariable(condition); }

static int pool_start(pool_thread *thread, unsigned(__stdcall *entry)(void *), void *argument) {
  *thread = (HANDLE)_beginthreadex(NULL, 0, entry, argument, 0, NULL);
  return *thread != NULL;
}

static void pool_join(pool_thread thread) {
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
}

static void pool_pause(void) { YieldProcessor(); }
static long pool_process(void) { return 1; } /* a process cannot be forked */
static long pool_load(long *number) { return InterlockedCompareExchange(number, 0, 0); }
static void pool_store(long *number, long value) { InterlockedExchange(number, value); }
static int pool_swap(long *number, long from, long to) { return InterlockedCompareExchange(number, to, from) == from; }

int32_t dit_pool_processors(void) {
  DWORD_PTR mine = 0, all = 0;
  int32_t count = 0;
  if (GetProcessAffinityMask(GetCurrentProcess(), &mine, &all))
    for (; mine; mine &= mine - 1) count++;
  return count < 1 ? 1 : count;
}

#else
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

typedef pthread_mutex_t pool_mutex;
typedef pthread_cond_t pool_condition;
typedef pthread_t pool_thread;
#define POOL_ENTRY void *

static void pool_lock(pool_mutex *mutex) { pthread_mutex_lock(mutex); }
static void pool_unlock(pool_mutex *mutex) { pthread_mutex_unlock(mutex); }
static void pool_wait(pool_condition *condition, pool_mutex *mutex) { pthread_cond_wait(condition, mutex); }
static void pool_wake(pool_condition *condition) { pthread_cond_broadcast(condition); }

/* The stack is small, so that many threads fit into a small address space; the library needs 40 KB. */
static int pool_start(pool_thread *thread, void *(*entry)(void *), void *argument) {
  pthread_attr_t attributes;
  sigset_t blocked, before;
  if (pthread_attr_init(&attributes)) return 0;
  pthread_attr_setstacksize(&attributes, (size_t)512 << 10);
  sigfillset(&blocked);
  sigdelset(&blocked, SIGBUS); /* faults come to the thread that made them, and end the process if it blocks them */
  sigdelset(&blocked, SIGSEGV);
  sigdelset(&blocked, SIGFPE);
  sigdelset(&blocked, SIGILL);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  const int failed = pthread_create(thread, &attributes, entry, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return !failed;
}

static void pool_join(pool_thread thread) { pthread_join(thread, NULL); }

static void pool_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

static long pool_process(void) { return (long)getpid(); }
static long pool_load(long *number) { return __atomic_load_n(number, __ATOMIC_ACQUIRE); }
static void pool_store(long *number, long value) { __atomic_store_n(number, value, __ATOMIC_RELEASE); }
static int pool_swap(long *number, long from, long to) {
  return __atomic_compare_exchange_n(number, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

int32_t dit_pool_processors(void) {
#if defined(__linux__) && defined(CPU_COUNT)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set) < 1 ? 1 : CPU_COUNT(&set);
#endif
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > POOL_MOST_THREADS ? POOL_MOST_THREADS : (int32_t)count;
}

#endif

/* ---- The pool ---- */

struct dit_pool {
  long holder;      /* the process in which a job uses the pool; 0: none. Atomic */
  long process;     /* whose threads these are. It and the next two change only while a job holds the pool */
  int32_t wanted;   /* threads beside the caller */
  int32_t started;  /* of them */
  pool_mutex mutex; /* of all that follows */
  pool_condition work, done;
  void(DIT_CALL *task)(void *context, int32_t index);
  void *context;
  int32_t count, next; /* tasks of this round, and those that were taken */
  long finished;       /* those that have ended; atomic, but written with the mutex */
  long round;          /* changes with each round, and at the end; likewise */
  int ending;
  pool_thread *threads; /* [wanted] */
};

/* Looks for a moment, without the mutex, whether `number` becomes `value`, or with `away` anything else. */
static void pool_look(dit_pool *pool, long *number, long value, int away) {
  pool_unlock(&pool->mutex);
  for (int i = 0; i < POOL_LOOKS && (pool_load(number) != value) != away; i++) pool_pause();
  pool_lock(&pool->mutex);
}

static void pool_next_round(dit_pool *pool) { pool_store(&pool->round, (long)((unsigned long)pool->round + 1)); }

/* Runs tasks of this round while there are any. The mutex must be held. Tasks are few and large, so that taking it for
 * each of them costs nothing. */
static void pool_take_tasks(dit_pool *pool) {
  while (pool->next < pool->count) {
    const int32_t index = pool->next++;
    pool_unlock(&pool->mutex);
    pool->task(pool->context, index); /* both stay as they are until the round has ended */
    pool_lock(&pool->mutex);
    pool_store(&pool->finished, pool->finished + 1);
    if (pool->finished == pool->count) pool_wake(&pool->done);
  }
}

static POOL_ENTRY pool_work(void *argument) {
  dit_pool *pool = (dit_pool *)argument;
  pool_lock(&pool->mutex);
  while (!pool->ending) {
    pool_take_tasks(pool);
    const long round = pool->round;
    pool_look(pool, &pool->round, round, 1);
    while (pool->round == round) pool_wait(&pool->work, &pool->mutex);
  }
  pool_unlock(&pool->mutex);
  return 0;
}

static void pool_stop(dit_pool *pool) {
  pool_lock(&pool->mutex);
  pool->ending = 1;
  pool_next_round(pool);
  pool_wake(&pool->work);
  pool_unlock(&pool->mutex);
  while (pool->started > 0) pool_join(pool->threads[--pool->started]);
}

/* Starts threads for this process. Where not all can be had, half of those that can are kept: the rest of the program
 * needs memory and threads too. */
static void pool_populate(dit_pool *pool) {
  int32_t wanted = pool->wanted;
  pool->process = pool_process();
  for (pool->started = 0;; wanted = pool->started / 2) {
    if (pool->started) pool_stop(pool);
#ifdef _WIN32
    InitializeSRWLock(&pool->mutex);
    InitializeConditionVariable(&pool->work);
    InitializeConditionVariable(&pool->done);
#else /* also in the child of a fork, where they may be held by threads that did not come along */
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
#endif
    pool->ending = 0;
    pool->count = pool->next = 0;
    while (pool->started < wanted && pool_start(&pool->threads[pool->started], pool_work, pool)) pool->started++;
    if (pool->started == wanted) return;
  }
}

dit_pool *dit_pool_open(int32_t threads) {
  if (threads <= 0) threads = dit_pool_processors();
  if (threads > POOL_MOST_THREADS) threads = POOL_MOST_THREADS;
  dit_pool *pool = (dit_pool *)calloc(1, sizeof *pool);
  if (!pool) return NULL;
  pool->wanted = threads - 1;
  pool->threads = (pool_thread *)calloc((size_t)threads, sizeof *pool->threads);
  if (!pool->threads) {
    free(pool);
    return NULL;
  }
  pool_populate(pool);
  return pool;
}

void dit_pool_close(dit_pool *pool) {
  if (!pool) return;
  if (pool->process == pool_process()) { /* else the threads are those of the parent */
    pool_stop(pool);
#ifndef _WIN32
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
#endif
  }
  free(pool->threads);
  free(pool);
}

int32_t dit_pool_threads(const dit_pool *pool) { return pool ? pool->started + 1 : 1; }

/* Makes the pool the caller's alone, unless another job of this process has it. What a thread of the parent held when
 * the child was forked is free. */
static int pool_hold(dit_pool *pool) {
  const long process = pool_process(), holder = pool_load(&pool->holder);
  if (holder == process || !pool_swap(&pool->holder, holder, process)) return 0;
  if (pool->process != process) pool_populate(pool);
  return 1;
}

void DIT_CALL dit_pool_run(void *user, int32_t count, void(DIT_CALL *task)(void *context, int32_t index),
                           void *context) {
  dit_pool *pool = (dit_pool *)user;
  if (!pool || count < 2 || !pool_hold(pool)) {
    for (int32_t i = 0; i < count; i++) task(context, i);
    return;
  }
  pool_lock(&pool->mutex);
  pool->task = task;
  pool->context = context;
  pool->count = count;
  pool->next = 0;
  pool_store(&pool->finished, 0);
  pool_next_round(pool);
  if (pool->started) pool_wake(&pool->work);
  pool_take_tasks(pool);
  if (pool->finished < count) pool_look(pool, &pool->finished, count, 0);
  while (pool->finished < count) pool_wait(&pool->done, &pool->mutex);
  pool->count = pool->next = 0;
  pool_unlock(&pool->mutex);
  pool_swap(&pool->holder, pool_process(), 0);
}

#endif
