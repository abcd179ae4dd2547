/* Folders of diffusers: networks with their configurations, shards and whole pipelines; a section for each file. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/safetensors.h"
#include "tests/fuzz/target.h"

static const char *const folders[] = {"in", "in/transformer", "in/vae", "in/scheduler"};
static const char *const names[] = {
    "model_index.json",
    "config.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.safetensors.index.json",
    "a.safetensors",
    "b.safetensors",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model.safetensors",
    "transformer/diffusion_pytorch_model.fp16.bin",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "scheduler/scheduler_config.json",
};
enum { FOLDERS = sizeof folders / sizeof *folders, NAMES = sizeof names / sizeof *names };

/* The folders stay until the process ends; atexit runs this before files.c removes what holds them. */
static void make_folders(void) {
  for (int i = 0; i < FOLDERS; i++) mkdir(fuzz_path(folders[i]), 0700);
}

static void remove_folders(void) {
  for (int i = FOLDERS; i-- > 0;) rmdir(fuzz_path(folders[i]));
}

static void run(const uint8_t *data, size_t size) {
  char path[100];
  fuzz_section s;
  size_t cursor = 0;
  unsigned saved = 0;
  make_folders();
  while (fuzz_next_section(data, size, &cursor, &s))
    for (int i = 0; i < NAMES; i++)
      if (strcmp(s.name, names[i]) == 0) {
        snprintf(path, sizeof path, "in/%s", names[i]);
        fuzz_save(path, s.data, s.size);
        saved |= 1u << i;
      }
  fuzz_convert(fuzz_path("in"), fuzz_crc(data, size));
  for (int i = 0; i < NAMES; i++) {
    snprintf(path, sizeof path, "in/%s", names[i]);
    if (saved >> i & 1) remove(fuzz_path(path));
  }
  remove_folders();
}

static size_t mutate(uint8_t *data, size_t size, size_t room, uint32_t seed) {
  return fuzz_mutate_section(data, size, room, seed, fuzz_mend_safetensors);
}

const fuzz_target fuzz_folder = {"folder", run, mutate, NULL};
