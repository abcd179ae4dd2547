/* The pool of threads for hosts (dit_pool.h).
 * Fails if a task is left out or done twice, if dit_pool_run returns before all are done or before their results are
 * seen, if tasks do not run in parallel, if pools disturb each other, if an idle pool uses a processor, if a call waits
 * for that of another job, if a child of fork hangs or has no threads, or if threads that cannot be had end anything. */
#define DIT_POOL_IMPLEMENTATION
#include "dit_pool.h"
#include "tests/test.h"

#ifdef _WIN32
int main(void) {
  SKIP("no threads on this system");
  return test_end("pool");
}
#else

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/resource.h>
#include <sys/wait.h>

#include "weights/sprites/dit_sprites.h"

/* ThreadSanitizer would end a child of fork that starts threads. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "die_after_fork=0"; }

enum { MAX_COUNT = 40, ROUNDS = 800 };

typedef struct round_state {
  int done[MAX_COUNT]; /* how often; each written by one task, read after the round */
  pthread_t caller;
} round_state;

static void DIT_CALL count_task(void *context, int32_t index) {
  for (volatile int i = 0; i < 2000; i++) continue; /* long enough for the others to come */
  ((round_state *)context)->done[index]++;
}

static void DIT_CALL sleep_task(void *context, int32_t index) {
  struct timespec pause = {0, 100000000};
  nanosleep(&pause, NULL);
  ((round_state *)context)->done[index] = !pthread_equal(pthread_self(), ((round_state *)context)->caller);
}

/* Rounds of 1 to MAX_COUNT tasks; returns the number of rounds that went wrong. */
static int run_rounds(dit_pool *p, int rounds) {
  int wrong = 0;
  for (int i = 0; i < rounds; i++) {
    round_state state;
    int32_t count = 1 + i % MAX_COUNT;
    memset(&state, 0, sizeof state);
    dit_pool_run(p, count, count_task, &state);
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
    dit_pool *p = dit_pool_open(threads);
    CHECK(p != NULL, "a pool of %d threads opens", threads);
    int wrong = p ? run_rounds(p, ROUNDS) : 0;
    CHECK(wrong == 0, "%d threads: %d of %d rounds went wrong", threads, wrong, ROUNDS);
    dit_pool_close(p);
  }
}

static void test_opening(void) {
  dit_pool *one = dit_pool_open(1), *all = dit_pool_open(0);
  CHECK(dit_pool_threads(one) == 1 && !run_rounds(one, 3), "a pool of one thread");
  CHECK(dit_pool_threads(all) == dit_pool_processors() && !run_rounds(all, 3), "a thread for each processor");
  CHECK(dit_pool_threads(NULL) == 1 && !run_rounds(NULL, 3), "no pool is one thread");
  dit_pool_close(one);
  dit_pool_close(all);
  CHECK(dit_pool_processors() >= 1, "there are processors");
  dit_pool_close(NULL);
  int wrong = 0;
  for (int i = 0; i < 200; i++) {
    dit_pool *p = dit_pool_open(2 + i % 4);
    if (i % 2) wrong += run_rounds(p, 3);
    dit_pool_close(p);
  }
  CHECK(wrong == 0, "pools that are opened and closed at once work");
}

static void *own_pool(void *argument) {
  dit_pool *p = dit_pool_open(3);
  *(int *)argument = p ? run_rounds(p, ROUNDS / 4) : -1;
  dit_pool_close(p);
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
  dit_pool *p = dit_pool_open(4);
  round_state state;
  memset(&state, 0, sizeof state);
  state.caller = pthread_self();
  dit_pool_run(p, 4, sleep_task, &state);
  int others = state.done[0] + state.done[1] + state.done[2] + state.done[3];
  CHECK(others == 3, "three of four slow tasks run on other threads, not %d", others);
  dit_pool_close(p);
}

/* While the caller's own work takes long, the others wait without a processor. */
static void test_idle(void) {
  dit_pool *p = dit_pool_open(4);
  struct timespec pause = {0, 300000000};
  run_rounds(p, 10);
  double before = processor_seconds();
  nanosleep(&pause, NULL);
  double used = processor_seconds() - before;
  CHECK(used < 0.1, "an idle pool used %.3f s of 0.3 s", used);
  dit_pool_close(p);
}

/* ---- Two jobs on one pool ---- */

typedef struct gate {
  atomic_int entered, open;
} gate;

static void wait_until(atomic_int *flag) {
  const struct timespec pause = {0, 1000000};
  while (!atomic_load(flag)) nanosleep(&pause, NULL);
}

static void DIT_CALL wait_task(void *context, int32_t index) {
  gate *g = (gate *)context;
  (void)index;
  atomic_store(&g->entered, 1);
  wait_until(&g->open);
}

typedef struct waiting {
  dit_pool *pool;
  gate *gate;
} waiting;

static void *run_waiting(void *argument) {
  const waiting *w = (const waiting *)argument;
  dit_pool_run(w->pool, 3, wait_task, w->gate);
  return NULL;
}

/* While all threads of the pool wait in the tasks of one job, another job does its own tasks, and the gate opens only
 * after it: if it waited, the test would hang until the alarm. */
static void test_nobody_waits(void) {
  gate g;
  pthread_t thread;
  waiting w = {dit_pool_open(3), &g};
  atomic_init(&g.entered, 0);
  atomic_init(&g.open, 0);
  if (pthread_create(&thread, NULL, run_waiting, &w) != 0) exit(1);
  wait_until(&g.entered);
  CHECK(run_rounds(w.pool, 5) == 0, "a second job does its own tasks");
  atomic_store(&g.open, 1);
  pthread_join(thread, NULL);
  CHECK(run_rounds(w.pool, 5) == 0, "the pool is free again");
  dit_pool_close(w.pool);
}

/* ---- fork ---- */

/* Runs a test in a child that is ended after 20 seconds. Returns its exit status, or 255 if it hung or crashed. */
static int in_child(int (*test)(void *), void *context) {
  int status = 0;
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(test(context));
  }
  if (child < 0 || waitpid(child, &status, 0) != child) return 255;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* The status is the number of other threads that took part, or 100 if rounds went wrong. */
static int use_pool(void *context) {
  dit_pool *p = (dit_pool *)context;
  round_state state;
  memset(&state, 0, sizeof state);
  state.caller = pthread_self();
  if (run_rounds(p, 50)) return 100;
  dit_pool_run(p, 3, sleep_task, &state);
  return state.done[0] + state.done[1] + state.done[2];
}

static int use_and_close(void *context) {
  const int status = use_pool(context);
  dit_pool_close((dit_pool *)context);
  return status;
}

static int close_only(void *context) { return dit_pool_close((dit_pool *)context), 0; }

static int fork_again(void *context) { return in_child(use_pool, context); }

static void test_fork(void) {
  dit_pool *p = dit_pool_open(3);
  CHECK(run_rounds(p, 5) == 0, "before fork");
  CHECK(in_child(use_pool, p) == 2, "a child has threads of its own");
  CHECK(in_child(use_and_close, p) == 2, "a child closes the pool");
  CHECK(in_child(close_only, p) == 0, "a child closes a pool that it has not used");
  CHECK(in_child(fork_again, p) == 2, "a child of a child");
  CHECK(use_pool(p) == 2, "the parent after fork");
  dit_pool_close(p);
}

/* A child that is forked while another thread of the parent is inside dit_pool_run. */
static void test_fork_during(void) {
  gate g;
  pthread_t thread;
  waiting w = {dit_pool_open(3), &g};
  atomic_init(&g.entered, 0);
  atomic_init(&g.open, 0);
  if (pthread_create(&thread, NULL, run_waiting, &w) != 0) exit(1);
  wait_until(&g.entered);
  CHECK(in_child(use_and_close, w.pool) == 2, "a child of a parent that is inside of dit_pool_run");
  atomic_store(&g.open, 1);
  pthread_join(thread, NULL);
  CHECK(use_pool(w.pool) == 2, "the parent afterwards");
  dit_pool_close(w.pool);
}

/* ---- Models ---- */

enum { PICTURE = 32 * 32 * 4 };

static dit_status potion(const dit_model *model, uint8_t *pixels) {
  const int32_t class_id = 0;
  const dit_params params = {.struct_size = sizeof params, .classes = &class_id, .seed = 7, .steps = 2};
  return dit_generate(model, &params, DIT_PIXELS_RGBA, pixels, PICTURE, NULL);
}

typedef struct picture {
  dit_model *model;
  uint8_t pixels[PICTURE];
} picture;

/* The picture again, with the parent's model and with one that the child opens. */
static int same_picture(void *context) {
  const picture *right = (const picture *)context;
  uint8_t pixels[PICTURE];
  dit_model *model = NULL;
  if (potion(right->model, pixels) || memcmp(pixels, right->pixels, PICTURE)) return 1;
  if (dit_sprites_open(NULL, &model, NULL) || potion(model, pixels) || memcmp(pixels, right->pixels, PICTURE)) return 2;
  dit_model_close(model);
  return 0;
}

static void test_fork_model(void) {
  picture p;
  dit_options options = {.struct_size = sizeof options, .threads = 3, .parallel_for = dit_pool_run};
  dit_pool *pool = dit_pool_open(3);
  options.user = pool;
  for (int pooled = 0; pooled < 2; pooled++) {
    if (!CHECK(!dit_sprites_open(pooled ? &options : NULL, &p.model, NULL) && !potion(p.model, p.pixels), "a picture"))
      return;
    CHECK(in_child(same_picture, &p) == 0, "a child makes the same picture, %s", pooled ? "with a pool" : "without");
    CHECK(same_picture(&p) == 0, "and so does the parent");
    dit_model_close(p.model);
  }
  dit_pool_close(pool);
}

/* ---- Threads that cannot be had ---- */

#if !SANITIZED
/* In an address space that has room for a few threads, pools and models work, and nothing ends the process. */
static int without_threads(void *context) {
  const struct rlimit limit = {*(const rlim_t *)context, *(const rlim_t *)context};
  static uint8_t pixels[16 * PICTURE];
  int32_t classes[16] = {0};
  if (setrlimit(RLIMIT_AS, &limit)) return 1;
  dit_pool *p = dit_pool_open(1024);
  if (!p || dit_pool_threads(p) >= 1024 || run_rounds(p, 20)) return 2;
  dit_options options = {.struct_size = sizeof options, .threads = 64, .user = p, .parallel_for = dit_pool_run};
  for (int pooled = 0; pooled < 2; pooled++) {
    dit_model *model = NULL;
    dit_error error = {0};
    const dit_params params = {.struct_size = sizeof params, .classes = classes, .count = 16, .steps = 1};
    if (!pooled) options.parallel_for = NULL;
    dit_status status = dit_sprites_open(&options, &model, &error);
    if (!status) status = dit_generate(model, &params, DIT_PIXELS_RGBA, pixels, sizeof pixels, &error);
    if (status && status != DIT_ERROR_MEMORY) return 3;
    dit_model_close(model);
    options.parallel_for = dit_pool_run;
  }
  dit_pool_close(p);
  return 0;
}
#endif

static void test_limits(void) {
#if SANITIZED
  SKIP("a sanitizer needs all of the address space");
#else
  for (rlim_t megabytes = 100; megabytes <= 400; megabytes += 100) {
    rlim_t bytes = megabytes << 20;
    const int status = in_child(without_threads, &bytes);
    CHECK(status == 0, "with %d MB of addresses: %d", (int)megabytes, status);
  }
#endif
}

int main(void) {
  alarm(100); /* a hang is a failure */
  test_rounds();
  test_opening();
  test_two();
  test_side_by_side();
  test_idle();
  test_nobody_waits();
  test_fork();
  test_fork_during();
  test_fork_model();
  test_limits();
  return test_end("pool");
}

#endif
