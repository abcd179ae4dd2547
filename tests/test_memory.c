/* The memory that the process really uses, as the kernel counts it (anonymous memory in /proc/self/smaps_rollup),
 * compared with what dit_info.memory and dit_job_memory report.
 *
 * The test fails if opening a model or running a job uses more than was reported, and a little for stacks; if memory is
 * still in use after a job has ended; if a job uses less than half of what it reported; or if a long schedule needs
 * more than a short one, except for its rows. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/sprites/dit_sprites.h"

#if defined(__linux__) && !SANITIZED
#include <sys/mman.h>
#define MEASURED 1
#endif

/* 256 tokens of 384; 64x64 pictures. */
#define MID_DIT "dit:hidden=384,depth=4,heads=6,patch=2,latent=32,in=4,classes=10"
#define MID_VAE "vae:blocks=32+64,layers=1,groups=8,in=3,out=3,latent=4"
/* Its modulation is as large as that of DiT-XL/2 (0.79 MB for each step and condition; there 0.78 MB), in a file of a
 * twentieth of the size. */
#define LONG_DIT "dit:hidden=64,depth=512,heads=1,patch=2,latent=32,in=4,classes=1000"

#if MEASURED
/* For the stack, the rounding to pages, and what libc keeps; and for the stacks and tables of the OpenMP library. */
static const long SLACK = 192 << 10, OPENMP_SLACK = 1024 << 10;

/* In bytes; -1 if it is not known. */
static long anonymous(void) {
  static char line[256];
  static char buffer[4096];
  long kilobytes = -1;
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  if (!file) return -1;
  setvbuf(file, buffer, _IOFBF, sizeof buffer);
  while (kilobytes < 0 && fgets(line, sizeof line, file)) sscanf(line, "Anonymous: %ld kB", &kilobytes);
  fclose(file);
  return kilobytes < 0 ? -1 : kilobytes << 10;
}

/* Allocates straight from the system, so that nothing is kept when it is released; what the library allocates elsewhere
 * is counted as well. `user` counts the blocks, each of which takes whole pages. */
static void *DIT_CALL map_allocate(void *user, size_t size, size_t alignment) {
  void *block = alignment <= 4096 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;
  ++*(long *)user;
  return block == MAP_FAILED ? NULL : block;
}

static void DIT_CALL map_release(void *user, void *block, size_t size) {
  --*(long *)user;
  munmap(block, size);
}

typedef dit_status open_function(const dit_options *options, dit_model **opened, dit_error *error);

static char mid_path[512];
static dit_status open_mid(const dit_options *options, dit_model **opened, dit_error *error) {
  return dit_model_open(mid_path, options, opened, error);
}

static void test_job_memory(const char *name, open_function *open, int32_t threads, int32_t count) {
  long blocks = 0;
  const dit_options options = {.struct_size = sizeof options,
                               .threads = threads,
                               .user = &blocks,
                               .allocate = map_allocate,
                               .release = map_release};
  const int32_t classes[4] = {0, 1, 2, 3};
  const dit_params p = {.struct_size = sizeof p, .classes = classes, .count = count, .steps = 2};
  const long slack = threads > 1 ? OPENMP_SLACK : SLACK, before = anonymous();
  dit_error error = {0};
  dit_info info = {.struct_size = sizeof info};
  dit_model *model;
  dit_job *job = NULL;
  size_t told = 0;
  if (!CHECK(open(&options, &model, &error) == DIT_OK, "%s: %s", name, error.message)) return;
  dit_model_info(model, &info);
  const long opened = anonymous(), opened_blocks = blocks;
  CHECK(opened - before <= (long)info.memory + opened_blocks * 4096 + slack,
        "%s: opening uses %ld KB, dit_info told %ld KB", name, (opened - before) >> 10, (long)info.memory >> 10);
  CHECK(dit_job_memory(model, &p, &told, &error) == DIT_OK && dit_job_start(model, &p, &job, &error) == DIT_OK, "%s",
        error.message);
  const long started = anonymous();
  long most = started;
  for (int unit = 1; dit_job_advance(job, 0, &error) == DIT_MORE; unit++) {
    const long now = unit % 4 ? 0 : anonymous();
    if (now > most) most = now;
  }
  const long finished = anonymous();
  if (finished > most) most = finished;
  dit_job_end(job);
  const long ended = anonymous();
  printf(
      "  %s, %d pictures, %d threads: opening %ld KB of %ld told, in %ld blocks; a job %ld KB when started, %ld at "
      "most of %ld "
      "told, %ld left\n",
      name, count, info.threads, (opened - before) >> 10, (long)info.memory >> 10, opened_blocks,
      (started - opened) >> 10, (most - opened) >> 10, (long)told >> 10, (ended - opened) >> 10);
  CHECK(most - opened <= (long)told + slack, "%s, %d threads: a job uses %ld KB and told %ld KB", name, threads,
        (most - opened) >> 10, (long)told >> 10);
  CHECK(most - opened >= (long)told / 2, "%s, %d threads: a job uses %ld KB and told %ld KB", name, threads,
        (most - opened) >> 10, (long)told >> 10);
  CHECK(ended - opened <= slack, "%s, %d threads: %ld KB stay when a job ends", name, threads, (ended - opened) >> 10);
  dit_model_close(model);
  const long closed = anonymous();
  CHECK(closed - before <= slack, "%s, %d threads: %ld KB stay when a model is closed", name, threads,
        (closed - before) >> 10);
}

static void test_jobs(void) {
  if (anonymous() < 0) {
    SKIP("no /proc/self/smaps_rollup");
    return;
  }
  printf("  anonymous memory: %ld KB\n", anonymous() >> 10);
  synthetic_path(mid_path, sizeof mid_path, "memory");
  if (!CHECK(synthetic_file(mid_path, MID_DIT, MID_VAE, DIT_TYPE_F16), "the model cannot be written")) return;
  for (int32_t threads = 1; threads <= 2; threads++) {
    test_job_memory("sprites", dit_sprites_open, threads, 1);
    test_job_memory("sprites", dit_sprites_open, threads, 4);
    test_job_memory("mid-size", open_mid, threads, 1);
    test_job_memory("mid-size", open_mid, threads, 3);
  }
  remove(mid_path);
}
#else
static void test_jobs(void) { SKIP("anonymous memory is not measured here (not Linux, or a sanitizer has its own)"); }
#endif

/* Modulation is computed in windows: a schedule that is five times as long needs its rows, and nothing else. */
static void test_windows(void) {
  const dit_options options = {.struct_size = sizeof options, .threads = 1};
  const int32_t class_id = 1, steps[3] = {50, 250, 1000};
  dit_error error = {0};
  dit_model *model;
  char path[512];
  size_t told[3] = {0};
  if (!CHECK(synthetic_file(synthetic_path(path, sizeof path, "windows"), LONG_DIT, NULL, DIT_TYPE_F16), "no model"))
    return;
  const dit_status status = dit_model_open(path, &options, &model, &error);
  remove(path);
  if (!CHECK(status == DIT_OK, "%s", error.message)) return;
  for (int i = 0; i < 3; i++) {
    const dit_params p = {.struct_size = sizeof p, .classes = &class_id, .steps = steps[i], .guidance_scale = 4};
    CHECK(dit_job_memory(model, &p, &told[i], &error) == DIT_OK, "%s", error.message);
    printf("  %d steps: %.3f MB\n", steps[i], (double)told[i] / 1e6);
    CHECK(told[i] <= told[0], "%d steps need %zu bytes, 50 need %zu", steps[i], told[i], told[0]);
  }
  dit_model_close(model);
}

int main(void) {
  test_jobs();
  test_windows();
  return test_end("test_memory");
}
