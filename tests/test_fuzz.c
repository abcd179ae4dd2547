/* The corpus of the fuzz targets, and what was ever found, without a fuzzer: each file, and some damaged copies of it,
 * goes through its target (tests/fuzz/), which reads, converts, writes and runs it.
 * Fails if a target is without a corpus, or a file crashes it or takes more than a second; what sanitizers see, they see
 * here too. With file names after a target's name it runs these: build/tests/test_fuzz json FILE... */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <time.h>

#include "tests/fuzz/target.h"
#include "tests/test.h"

/* As in synthetic.h: files that are deleted at once need not outlive a power cut. */
int fsync(int descriptor);
int fsync(int descriptor) { return (void)descriptor, 0; }

static const fuzz_target *const targets[] = {
    &fuzz_json, &fuzz_pickle, &fuzz_zip,    &fuzz_torch, &fuzz_legacy, &fuzz_safetensors, &fuzz_folder,
    &fuzz_gguf, &fuzz_model,  &fuzz_params, &fuzz_png,   &fuzz_texts,  &fuzz_words,
};
enum { TARGETS = sizeof targets / sizeof *targets, DAMAGES = 4 };

static uint32_t state = 1;

static uint32_t pseudo_random(uint32_t below) {
  state = state * 1664525u + 1013904223u;
  return (state >> 8) % below;
}

/* Stands in for libFuzzer's: changes, inserts or removes a few bytes. */
size_t fuzz_change(uint8_t *data, size_t size, size_t room) {
  for (uint32_t n = 1 + pseudo_random(3); n && size; n--) {
    const size_t at = pseudo_random((uint32_t)size);
    switch (pseudo_random(3)) {
      case 0: data[at] ^= (uint8_t)(1 + pseudo_random(255)); break;
      case 1:
        if (size == room) break;
        memmove(data + at + 1, data + at, size++ - at);
        data[at] = (uint8_t)pseudo_random(256);
        break;
      default: memmove(data + at, data + at + 1, --size - at);
    }
  }
  return size;
}

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

static void run(const fuzz_target *target, const char *path, const uint8_t *data, size_t size) {
  const double start = seconds();
  target->run(data, size);
  const double took = seconds() - start;
  CHECK(took < 1, "%s: %s took %.1f s", target->name, path, took);
}

static void run_damaged(const fuzz_target *target, const char *path, const uint8_t *data, size_t size) {
  const size_t room = size + 64;
  uint8_t *copy = (uint8_t *)malloc(room);
  for (int i = 0; copy && i < DAMAGES; i++) {
    size_t changed = 0;
    memcpy(copy, data, size);
    if (target->mutate && i % 2) changed = target->mutate(copy, size, room, pseudo_random(1 << 24));
    if (!changed) changed = fuzz_change(copy, size, room);
    if (target->mend) changed = target->mend(copy, changed, room);
    run(target, path, copy, changed);
  }
  free(copy);
}

static void run_file(const fuzz_target *target, const char *path) {
  uint8_t *data = (uint8_t *)malloc(1 << 20);
  FILE *file = fopen(path, "rb");
  if (CHECK(file && data, "%s cannot be read", path)) {
    const size_t size = fread(data, 1, 1 << 20, file);
    run(target, path, data, size);
    run_damaged(target, path, data, size);
  }
  if (file) fclose(file);
  free(data);
}

static int compare(const void *a, const void *b) { return strcmp((const char *)a, (const char *)b); }

/* Runs all files of a target's folder, in the order of their names. */
static void run_corpus(const fuzz_target *target) {
  static char names[1000][64], path[400];

  int count = 0;
  const unsigned before = fuzz_written;
  snprintf(path, sizeof path, "tests/fuzz/corpus/%s", target->name);
  DIR *directory = opendir(path);
  for (struct dirent *entry; directory && count < 1000 && (entry = readdir(directory));)
    if (entry->d_name[0] != '.') snprintf(names[count++], sizeof names[0], "%.63s", entry->d_name);
  if (directory) closedir(directory);
  CHECK(count > 0, "%s is empty", path);
  qsort(names, (size_t)count, sizeof names[0], compare);
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s/%.63s", target->name, names[i]);
    run_file(target, path);
  }
  if (strstr("torch legacy safetensors folder gguf", target->name))
    CHECK(fuzz_written > before, "%s: no file of the corpus was converted to the end", target->name);
}

int main(int argc, char **argv) {
  for (int i = 0; i < TARGETS; i++) {
    if (argc == 1) run_corpus(targets[i]);
    for (int k = 2; argc > 2 && strcmp(argv[1], targets[i]->name) == 0 && k < argc; k++) run_file(targets[i], argv[k]);
  }
  return test_end("fuzz");
}
