/* A model file that others change while it is opened and used: its bytes are rewritten at every allocation of
 * dit_model_open, and before a job runs. Results may be anything, but no byte outside of the file and of our own memory
 * is read or written.
 *
 * It fails by a crash if a length, a shape or a format is trusted that was checked before the change: at once under an
 * address sanitizer, else when it happens to reach the page behind the file. */
#include <sys/mman.h>
#include <unistd.h>

#include "dit.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"

static uint8_t *bytes;
static size_t size;
static const uint8_t *original;
static long calls, change_at;
static uint64_t state = 1;

static uint32_t random_word(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 32);
}

/* Rewrites some of the file: large integers where lengths, counts and offsets may lie, and single bytes. */
static void change(size_t from, size_t to) {
  static const uint64_t values[] = {0, 1, 255, 20000, 1u << 31, UINT64_MAX, (uint64_t)1 << 62};
  for (int i = 0; i < 200; i++) {
    const size_t at = from + random_word() % (to - from - 8);
    const uint64_t value = values[random_word() % (sizeof values / sizeof *values)];
    memcpy(bytes + at, &value, random_word() % 2 ? 8 : 1);
  }
}

static void *DIT_CALL allocate(void *user, size_t wanted, size_t alignment) {
  (void)user;
  if (++calls == change_at) change(0, size < 8192 ? size : 8192);
  return aligned_alloc(alignment < 16 ? 16 : alignment, (wanted + alignment - 1) / alignment * alignment);
}

static void DIT_CALL release(void *user, void *block, size_t wanted) {
  (void)user, (void)wanted;
  free(block);
}

static void generate(const dit_model *model) {
  const dit_params params = {.struct_size = sizeof params, .steps = 1};
  uint8_t *pixels = (uint8_t *)malloc(1 << 16);
  dit_generate(model, &params, DIT_PIXELS_RGBA, pixels, 1 << 16, NULL);
  free(pixels);
}

static void test_type(int type, int rounds) {
  char path[256];
  size_t file_size = 0;
  synthetic_path(path, sizeof path, "changing");
  static const char *const labels[3] = {"potion", "sword, blade", "key"};
  convert_options with = {.type = type, .guidance = -1, .labels = labels, .label_count = 3, .name = "changing"};
  if (!CHECK(synthetic_write(path, "dit:hidden=16,depth=1,heads=2,patch=2,latent=4,in=4,classes=3",
                             "vae:blocks=8,layers=1,groups=4,in=4,out=4,latent=4", &with),
             "synthetic model"))
    return;
  original = npy_load(path, &file_size);
  remove(path);
  if (!CHECK(original != NULL, "the file is not there")) return;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (file_size + page - 1) / page * page;
  uint8_t *map = (uint8_t *)mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!CHECK(map != MAP_FAILED && !mprotect(map + room, page, PROT_NONE), "no memory")) return;
  bytes = map + room - file_size; /* ends where nothing may be read */
  size = file_size;
  const dit_options options = {.struct_size = sizeof options, .threads = 1, .allocate = allocate, .release = release};
  long all = 0;
  for (int round = 0; round < rounds; round++)
    for (change_at = 0; change_at <= all; change_at++) {
      dit_model *model = NULL;
      memcpy(bytes, original, size);
      calls = 0;
      const dit_status status = dit_model_open_memory(bytes, size, &options, &model, NULL);
      if (!change_at) {
        CHECK(status == DIT_OK, "unchanged, it does not open: %d", (int)status);
        all = calls;
      }
      CHECK(!status == !!model, "status %d", (int)status);
      if (!status) {
        change_at = -1 - change_at;
        change(0, size); /* weights, formats and all */
        generate(model);
        change_at = -1 - change_at;
      }
      dit_model_close(model);
    }
  munmap(map, room + page);
  free((void *)(uintptr_t)original);
}

int main(void) {
  test_type(DIT_TYPE_F16, 10);
  test_type(DIT_TYPE_Q8, 10);
  test_type(DIT_TYPE_Q4, 20);
  return test_end("test_changing");
}
