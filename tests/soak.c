/* A host that never rests: 16 threads open, generate, encode, decode, preview, cancel and close at random, some with
 * allocators that fail, some in children of fork, some while another job is held up.
 *
 *   soak SECONDS [SEED]
 *
 * It fails if a picture, a latent or a decoded image is not the one that was made before the threads started; if a call
 * fails with anything but the memory that it did not get; if a block, a descriptor or a thread is left at the end, or
 * more memory in use than at the beginning; or if a call waits for another job. For the latter a job is held up inside
 * of its parallel_for, or with the pool inside of a task, until others have finished jobs on the same model and asked
 * for the progress of the one that is held: if one of them waited, neither would ever go on. */
#define DIT_POOL_IMPLEMENTATION
#include "dit_pool.h"

#include <dirent.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/core/platform.h"
#include "tests/synthetic.h"
#include "tests/forward.h"
#include "tests/test.h"
#include "weights/sprites/dit_sprites.h"

enum { THREADS = 16, CASES = 12, SIDE = 32, BYTES = SIDE * SIDE * 4, HELD_SECONDS = 60 };
enum { SPRITES, SMALL, MODELS };

/* ---- Random numbers, hashes, counters ---- */

typedef struct random_state {
  uint64_t state;
} random_state;

static uint32_t random_below(random_state *r, uint32_t n) {
  r->state = r->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((r->state >> 33) % n);
}

static uint64_t hash(uint64_t from, const void *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) from = (from ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
  return from;
}

static atomic_int ending;
static atomic_long pictures, cancelled, failed_calls, parts, forks, held, progress_calls, finished_jobs;
static atomic_long wrong, live_blocks;

/* Counts what went wrong, and shows the first ones. */
static void wrong_if(int condition, const char *what, int number) {
  if (!condition || atomic_fetch_add(&wrong, 1) >= 20) return;
  printf("  wrong: %s (%d)\n", what, number);
  fflush(stdout);
}

/* ---- The host of a model ---- */

typedef struct soak_host {
  dit_pool *pool;
  atomic_long blocks, countdown; /* the allocation that fails; negative: none */
} soak_host;

static void *DIT_CALL soak_allocate(void *user, size_t size, size_t alignment) {
  soak_host *h = (soak_host *)user;
  if (atomic_fetch_sub(&h->countdown, 1) == 0) return NULL;
  void *block = dit__system_allocate(size, alignment);
  if (block) atomic_fetch_add(&h->blocks, 1), atomic_fetch_add(&live_blocks, 1);
  return block;
}

static void DIT_CALL soak_release(void *user, void *block, size_t size) {
  (void)size;
  atomic_fetch_sub(&((soak_host *)user)->blocks, 1);
  atomic_fetch_sub(&live_blocks, 1);
  dit__system_release(block);
}

/* ---- A job that is held up ---- */

typedef struct slot {
  pthread_mutex_t lock; /* of the job's life, which its thread ends */
  dit_job *job;
  int may_cancel;
} slot;

static slot slots[THREADS];
static _Thread_local int hold_next; /* 1: this thread's next call of the hook is held up in it, 2: in a task */

/* Waits until others have finished jobs and asked for the progress of jobs. */
static void hold(void) {
  const long jobs = atomic_load(&finished_jobs), calls = atomic_load(&progress_calls);
  const int64_t until = dit__clock() + HELD_SECONDS * (int64_t)1000000;
  const struct timespec pause = {0, 1000000};
  while (!atomic_load(&ending) &&
         (atomic_load(&finished_jobs) < jobs + 3 || atomic_load(&progress_calls) < calls + 20)) {
    if (dit__clock() > until) {
      wrong_if(1, "a call waits for a job that is held up", 0);
      break;
    }
    nanosleep(&pause, NULL);
  }
  atomic_fetch_add(&held, 1);
}

typedef struct held_tasks {
  void(DIT_CALL *task)(void *context, int32_t index);
  void *context;
} held_tasks;

static void DIT_CALL held_task(void *context, int32_t index) {
  const held_tasks *tasks = (const held_tasks *)context;
  if (index == 0) hold();
  tasks->task(tasks->context, index);
}

static void DIT_CALL soak_run(void *user, int32_t count, void(DIT_CALL *task)(void *context, int32_t index),
                              void *context) {
  const soak_host *h = (const soak_host *)user;
  const int how = hold_next;
  held_tasks tasks = {task, context};
  hold_next = 0;
  if (how == 1) hold();
  if (how == 2)
    dit_pool_run(h->pool, count, held_task, &tasks);
  else
    dit_pool_run(h->pool, count, task, context);
}

/* Asks for the progress of a job of another thread, and stops some. */
static void watch(random_state *r) {
  slot *s = &slots[random_below(r, THREADS)];
  dit_progress progress = {.struct_size = sizeof progress};
  pthread_mutex_lock(&s->lock);
  if (s->job) {
    wrong_if(dit_job_progress(s->job, &progress) != DIT_OK, "progress", 0);
    if (s->may_cancel && random_below(r, 4) == 0) dit_job_cancel(s->job);
    atomic_fetch_add(&progress_calls, 1);
  }
  pthread_mutex_unlock(&s->lock);
}

static void publish(slot *s, dit_job *job, int may_cancel) {
  pthread_mutex_lock(&s->lock);
  s->job = job;
  s->may_cancel = may_cancel;
  pthread_mutex_unlock(&s->lock);
}

/* ---- What is made ---- */

typedef struct shared {
  char path[512]; /* of the small model */
  dit_model *models[MODELS];
  uint8_t image[BYTES];
  uint64_t right[MODELS][CASES], right_parts[MODELS];
  soak_host host;
} shared;

static shared all;

static dit_params case_params(int model, int number, const int32_t *class_id) {
  dit_params p = {.struct_size = sizeof p, .classes = class_id, .seed = (uint64_t)number, .steps = 1 + number % 3};
  p.sampler = DIT_SAMPLER_DDPM + number % 3;
  p.guidance_scale = number % 2 ? 1 : 1.5f;
  if (number % 4 == 3) p.init_image = all.image, p.strength = 0.7f;
  if (model == SMALL) p.width = p.height = 8 + 8 * (number % 2);
  return p;
}

/* The hash of a finished picture and its latent. */
static uint64_t finished_hash(dit_job *job) {
  static const uint64_t start = UINT64_C(0xcbf29ce484222325);
  uint8_t pixels[BYTES];
  float latent[4096];
  memset(pixels, 0, sizeof pixels);
  memset(latent, 0, sizeof latent);
  if (dit_job_pixels(job, 0, DIT_PIXELS_RGBA, pixels, 0, NULL) || dit_job_latent(job, 0, latent, NULL)) return 0;
  return hash(hash(start, pixels, sizeof pixels), latent, sizeof latent);
}

/* Runs case `number` on a model in slices. Returns its status, and the hash if it is DIT_OK. */
static dit_status run_case(const dit_model *model, int which, int number, random_state *r, slot *s, uint64_t *result) {
  const int32_t class_id = number % 3;
  const dit_params params = case_params(which, number, &class_id);
  dit_job *job = NULL;
  const int may_cancel = s && random_below(r, 6) == 0, slices = random_below(r, 3) > 0;
  dit_status status = dit_job_start(model, &params, &job, NULL);
  if (status) return status;
  if (s) publish(s, job, may_cancel);
  if (s && random_below(r, 15) == 0) hold_next = 1 + (int)random_below(r, 2);
  do {
    uint8_t preview[BYTES];
    status = dit_job_advance(job, slices ? (int64_t)random_below(r, 2000) : -1, NULL);
    if (slices && status == DIT_MORE && random_below(r, 4) == 0)
      dit_job_preview(job, 0, DIT_PIXELS_RGBA, preview, 0, NULL);
    if (s) watch(r);
  } while (status == DIT_MORE);
  hold_next = 0;
  if (s) publish(s, NULL, 0);
  if (status == DIT_OK) *result = finished_hash(job);
  wrong_if(status == DIT_CANCELLED && !may_cancel, "cancelled by nobody", number);
  dit_job_end(job);
  atomic_fetch_add(&finished_jobs, 1);
  return status;
}

/* A pass of the transformer, and decoding and encoding. */
static dit_status run_parts(const dit_model *model, uint64_t *result) {
  float latent[4096], out[8192], image[BYTES], mean[4096];
  dit_info info = {.struct_size = sizeof info};
  const float t = 500;
  const int32_t class_id = 1;
  dit_model_info(model, &info);
  const int32_t side = info.width / info.vae_scale_factor;
  for (int i = 0; i < 4096; i++) latent[i] = (float)(i % 17 - 8) / 8;
  memset(out, 0, sizeof out);
  memset(image, 0, sizeof image);
  memset(mean, 0, sizeof mean);
  dit_status status = forward(model, 1, side, side, latent, &t, &class_id, out, NULL);
  if (!status) status = dit_vae_decode(model, 1, side, side, latent, image, NULL);
  if (!status && info.has_encoder) status = dit_vae_encode(model, 1, info.height, info.width, image, mean, NULL, NULL);
  *result = hash(hash(hash(1, out, sizeof out), image, sizeof image), mean, sizeof mean);
  return status;
}

/* ---- Actions ---- */

static void judge(dit_status status, int may_fail, uint64_t result, uint64_t right, const char *what, int number) {
  if (status == DIT_CANCELLED) {
    atomic_fetch_add(&cancelled, 1);
  } else if (status == DIT_ERROR_MEMORY && may_fail) {
    atomic_fetch_add(&failed_calls, 1);
  } else {
    wrong_if(status != DIT_OK, what, status);
    wrong_if(status == DIT_OK && result != right, "another result", number);
    atomic_fetch_add(&pictures, 1);
  }
}

static void use_shared(random_state *r, slot *s) {
  const int which = (int)random_below(r, MODELS), number = (int)random_below(r, CASES);
  uint64_t result = 0;
  const dit_status status = run_case(all.models[which], which, number, r, s, &result);
  judge(status, 0, result, all.right[which][number], "a shared model", number);
}

static void use_parts(random_state *r) {
  const int which = (int)random_below(r, MODELS);
  uint64_t result = 0;
  const dit_status status = run_parts(all.models[which], &result);
  judge(status, 0, result, all.right_parts[which], "parts", which);
  atomic_fetch_add(&parts, 1);
}

static dit_status open_model(int which, const dit_options *options, dit_model **model) {
  return which == SPRITES ? dit_sprites_open(options, model, NULL) : dit_model_open(all.path, options, model, NULL);
}

/* A model of its own, with options at random; with `failing`, one of its allocations fails. */
static void use_own(random_state *r, slot *s, int failing) {
  const int which = (int)random_below(r, MODELS), number = (int)random_below(r, CASES);
  soak_host host = {.pool = all.host.pool};
  dit_model *model = NULL;
  uint64_t result = 0;
  atomic_init(&host.blocks, 0);
  atomic_init(&host.countdown, failing ? (long)random_below(r, which == SPRITES ? 280 : 60) : -1);
  dit_options options = {.struct_size = sizeof options,
                         .threads = 1 + (int32_t)random_below(r, 4),
                         .isa = random_below(r, 8) ? 0 : DIT_ISA_SCALAR,
                         .load = DIT_LOAD_MAP + (int32_t)random_below(r, 2),
                         .user = &host,
                         .allocate = soak_allocate,
                         .release = soak_release};
  if (random_below(r, 2)) options.parallel_for = soak_run;
  dit_status status = open_model(which, &options, &model);
  if (!status) status = run_case(model, which, number, r, s, &result);
  judge(status, failing, result, all.right[which][number], "a model of its own", number);
  dit_model_close(model);
  wrong_if(atomic_load(&host.blocks) != 0, "blocks are left", (int)atomic_load(&host.blocks));
}

/* The model is closed while its job runs. */
static void close_early(random_state *r) {
  const int number = (int)random_below(r, CASES);
  const int32_t class_id = number % 3;
  const dit_params params = case_params(SMALL, number, &class_id);
  dit_model *model = NULL;
  dit_job *job = NULL;
  dit_status status = open_model(SMALL, NULL, &model);
  if (!status) status = dit_job_start(model, &params, &job, NULL);
  dit_model_close(model);
  if (!status) status = dit_job_advance(job, -1, NULL);
  judge(status, 0, status ? 0 : finished_hash(job), all.right[SMALL][number], "a model closed early", number);
  dit_job_end(job);
}

/* A child of all these threads makes a picture with the shared model and its pool, and one with a model of its own. */
static int in_child(random_state *r) {
  alarm(120);
  for (int i = 0; i < 2; i++) {
    const int number = (int)random_below(r, CASES);
    uint64_t result = 0;
    dit_model *model = i ? NULL : all.models[SMALL];
    if (i && open_model(SPRITES, NULL, &model)) return 1;
    if (run_case(model, i ? SPRITES : SMALL, number, r, NULL, &result)) return 2;
    if (result != all.right[i ? SPRITES : SMALL][number]) return 3;
  }
  return 0;
}

static void use_fork(random_state *r) {
  int status = 0;
  const pid_t child = fork();
  if (child == 0) _exit(in_child(r));
  wrong_if(child < 0 || waitpid(child, &status, 0) != child, "fork", 0);
  wrong_if(!WIFEXITED(status) || WEXITSTATUS(status), "a child of fork", status);
  atomic_fetch_add(&forks, 1);
}

static void *soak_thread(void *argument) {
  const int index = (int)(intptr_t)argument;
  random_state r = {(uint64_t)(index + 1) * UINT64_C(0x9e3779b97f4a7c15) + all.right[0][0]};
  r.state ^= (uint64_t)atomic_load(&finished_jobs);
  while (!atomic_load(&ending)) {
    const uint32_t action = random_below(&r, 100);
    if (action < 50)
      use_shared(&r, &slots[index]);
    else if (action < 62)
      use_parts(&r);
    else if (action < 76)
      use_own(&r, &slots[index], 0);
    else if (action < 90)
      use_own(&r, &slots[index], 1);
    else if (action < 97)
      close_early(&r);
    else
      use_fork(&r);
    watch(&r);
  }
  return NULL;
}

/* ---- Before and after ---- */

static int entries(const char *path) {
  DIR *folder = opendir(path);
  int count = 0;
  while (folder && readdir(folder)) count++;
  if (folder) closedir(folder);
  return count;
}

typedef struct usage {
  int descriptors, threads;
  size_t bytes;
} usage;

static usage use_now(void) {
  const usage now = {entries("/proc/self/fd"), entries("/proc/self/task"), mallinfo2().uordblks + mallinfo2().hblkhd};
  return now;
}

static int prepare(void) {
  static const char *const small = "dit:hidden=32,depth=2,heads=2,patch=2,latent=4,in=4,classes=3";
  random_state r = {1};
  atomic_init(&all.host.countdown, -1);
  all.host.pool = dit_pool_open(3);
  for (int i = 0; i < BYTES; i++) all.image[i] = (uint8_t)(i * 7 % 251);
  for (int i = 0; i < THREADS; i++) pthread_mutex_init(&slots[i].lock, NULL);
  const dit_options options = {
      .struct_size = sizeof options, .threads = 3, .parallel_for = soak_run, .user = &all.host};
  if (!synthetic_file(synthetic_path(all.path, sizeof all.path, "soak"), small,
                      "vae:blocks=8+8,layers=1,groups=4,in=3,out=3,latent=4", DIT_TYPE_Q8))
    return 0;
  for (int m = 0; m < MODELS; m++) {
    dit_model *plain = NULL;
    if (open_model(m, &options, &all.models[m]) || open_model(m, NULL, &plain)) return 0;
    for (int i = 0; i < CASES; i++) {
      const dit_status status = run_case(plain, m, i, &r, NULL, &all.right[m][i]);
      if (!CHECK(status == DIT_OK && all.right[m][i], "model %d, case %d: status %d", m, i, status)) return 0;
    }
    if (!CHECK(run_parts(plain, &all.right_parts[m]) == DIT_OK, "model %d: parts", m)) return 0;
    dit_model_close(plain);
  }
  return 1;
}

/* Runs the threads for some seconds. */
static void soak(int seconds) {
  pthread_t threads[THREADS];
  atomic_store(&ending, 0);
  for (int i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, soak_thread, (void *)(intptr_t)i)) exit(2);
  for (const int64_t until = dit__clock() + seconds * (int64_t)1000000; dit__clock() < until;)
    nanosleep(&(struct timespec){0, 100000000}, NULL);
  atomic_store(&ending, 1);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

int main(int count, char **arguments) {
  const int seconds = count > 1 ? atoi(arguments[1]) : 60;
  if (count > 2) atomic_store(&finished_jobs, atol(arguments[2]));
  alarm((unsigned)seconds * 2 + 300); /* a hang is a failure */
  if (CHECK(prepare(), "models and their pictures")) {
    soak(1); /* caches of the C library fill */
    const usage before = use_now();
    soak(seconds);
    const usage after = use_now();
    printf(
        "  note: %ld pictures, %ld passes and codings, %ld cancelled, %ld without memory, %ld forks, %ld held up, %ld "
        "looks at progress; %.1f MB in use before, %.1f after\n",
        pictures, parts, cancelled, failed_calls, forks, held, progress_calls, (double)before.bytes / 1e6,
        (double)after.bytes / 1e6);
    CHECK(wrong == 0, "%ld things went wrong", wrong);
    CHECK(pictures && parts && cancelled && failed_calls && forks && held, "something was never tried");
    CHECK(live_blocks == 0, "%ld blocks are left", live_blocks);
    CHECK(after.descriptors == before.descriptors, "%d descriptors, %d before", after.descriptors, before.descriptors);
    CHECK(after.threads == before.threads, "%d threads, %d before", after.threads, before.threads);
    CHECK(after.bytes < before.bytes + (1 << 18), "%zu bytes in use, %zu before", after.bytes, before.bytes);
  }
  for (int m = 0; m < MODELS; m++) dit_model_close(all.models[m]);
  dit_pool_close(all.host.pool);
  remove(all.path);
  return test_end("soak");
}
