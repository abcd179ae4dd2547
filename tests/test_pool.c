/* The thread pool of dit (examples/cli/pool.c).
 * Fails if a task is left out or done twice, if pool_run returns before all are done or before their results are seen,
 * if tasks do not run in parallel, if pools disturb each other, or if an idle pool uses a processor. */
#if !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "tests/test.h"

#ifdef _WIN32
int main(void) {
  SKIP("no threads on this system");
  return test_end("pool");
}
#else

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "examples/cli/pool.c"

enum { MAX_COUNT = 40, ROUNDS = 3000 };

typedef struct round_state {
  int done[MAX_COUNT]; /* how often; each written by one task, read after the round */
  pthread_t caller;
} round_state;

static void DIT_CALL count_task(void *context, int32_t index) {
  for (volatile int i = 0; i < 2000; i++) continue; /* long enough for the others to come */
  ((round_state *)context)->done[index]++;
}

static void DIT_CALL sleep_task(void *context, int32_t index) {
  struct timespec pause = {0, 200000000};
  nanosleep(&pause, NULL);
  ((round_state *)context)->done[index] = !pthread_equal(pthread_self(), ((round_state *)context)->caller);
}

/* Rounds of 1 to MAX_COUNT tasks; returns the number of rounds that went wrong. */
static int run_rounds(pool *p, int rounds) {
  int wrong = 0;
  for (int i = 0; i < rounds; i++) {
    round_state state;
    int32_t count = 1 + i % MAX_COUNT;
    memset(&state, 0, sizeof state);
    pool_run(p, count, count_task, &state);
    for (int32_t k = 0; k < MAX_COUNT; k++) {
      if (state.done[k] != (k < count)) {
        wrong++;
        break;
      }
    }
  }
  return wrong;
}

static void test_rounds(void) {
  for (int32_t threads = 2; threads <= 9; threads += 7) {
    pool *p = pool_open(threads);
    CHECK(p != NULL, "a pool of %d threads opens", threads);
    int wrong = p ? run_rounds(p, ROUNDS) : 0;
    CHECK(wrong == 0, "%d threads: %d of %d rounds went wrong", threads, wrong, ROUNDS);
    pool_close(p);
  }
}

static void test_opening(void) {
  CHECK(pool_open(1) == NULL, "one thread needs no pool");
  CHECK(pool_processors() >= 1, "there are processors");
  pool_close(NULL);
  int wrong = 0;
  for (int i = 0; i < 200; i++) {
    pool *p = pool_open(2 + i % 4);
    if (i % 2) wrong += run_rounds(p, 3);
    pool_close(p);
  }
  CHECK(wrong == 0, "pools that are opened and closed at once work");
}

static void *own_pool(void *argument) {
  pool *p = pool_open(3);
  *(int *)argument = p ? run_rounds(p, ROUNDS / 4) : -1;
  pool_close(p);
  return NULL;
}

static void test_two(void) {
  pthread_t threads[2];
  int wrong[2] = {-1, -1};
  for (int i = 0; i < 2; i++) {
    if (pthread_create(&threads[i], NULL, own_pool, &wrong[i]) != 0) exit(1);
  }
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  CHECK(wrong[0] == 0 && wrong[1] == 0, "two pools at once: %d and %d rounds went wrong", wrong[0], wrong[1]);
}

static double processor_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

static void test_side_by_side(void) {
  pool *p = pool_open(4);
  round_state state;
  memset(&state, 0, sizeof state);
  state.caller = pthread_self();
  pool_run(p, 4, sleep_task, &state);
  int others = state.done[0] + state.done[1] + state.done[2] + state.done[3];
  CHECK(others == 3, "three of four slow tasks run on other threads, not %d", others);
  pool_close(p);
}

/* While the caller's own work takes long, the others wait without a processor. */
static void test_idle(void) {
  pool *p = pool_open(4);
  struct timespec pause = {0, 300000000};
  run_rounds(p, 10);
  double before = processor_seconds();
  nanosleep(&pause, NULL);
  double used = processor_seconds() - before;
  CHECK(used < 0.1, "an idle pool used %.3f s of 0.3 s", used);
  pool_close(p);
}

int main(void) {
  test_rounds();
  test_opening();
  test_two();
  test_side_by_side();
  test_idle();
  return test_end("pool");
}

#endif
