/* What the fuzz targets share. A target is a function that takes any bytes and must return: a crash, a sanitizer's
 * report, abort() or a timeout is a finding. engine.c hands targets to libFuzzer, tests/test_fuzz.c replays the corpus
 * without it. run.sh builds and runs them. */
#ifndef DIT_FUZZ_TARGET_H
#define DIT_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_target {
  const char *name; /* of the target, its corpus and its program */
  void (*run)(const uint8_t *data, size_t size);
  /* Makes one structured change, such as another number in a field, and returns the new size, at most `room`; 0 if it
   * can do nothing here. May be NULL. */
  size_t (*mutate)(uint8_t *data, size_t size, size_t room, uint32_t seed);
  /* Repairs what a blind change broke, such as a checksum or a length, so that the change is seen by more than the check
   * of that sum. Returns the new size, at most `room`. May be NULL. */
  size_t (*mend)(uint8_t *data, size_t size, size_t room);
} fuzz_target;

extern const fuzz_target fuzz_json, fuzz_pickle, fuzz_zip, fuzz_torch, fuzz_legacy, fuzz_safetensors, fuzz_folder,
    fuzz_gguf, fuzz_model, fuzz_params, fuzz_png, fuzz_texts, fuzz_words;

/* ---- bytes.c ---- */

/* Changes data as libFuzzer does; engine.c has it. */
size_t fuzz_change(uint8_t *data, size_t size, size_t room);
uint32_t fuzz_crc(const uint8_t *data, size_t size); /* CRC-32, as in zip and PNG */
uint64_t fuzz_number(const uint8_t *p, int bytes);   /* little-endian */
void fuzz_put_number(uint8_t *p, uint64_t value, int bytes);

/* A stream of choices, made from the bytes of an input; after their end all are 0. */
typedef struct fuzz_choices {
  const uint8_t *at;
  size_t left;
} fuzz_choices;
uint64_t fuzz_choose(fuzz_choices *c, uint64_t count); /* returns 0 to count - 1 */
/* Returns a number as bad callers pass them: mostly from low to high, else negative, huge or just beyond. */
int32_t fuzz_integer(fuzz_choices *c, int32_t low, int32_t high);
float fuzz_real(fuzz_choices *c, float low, float high); /* or not finite */

/* ---- files.c: what goes through paths, in memory if the machine has /dev/shm ---- */

/* Returns the path of a file of this process in its own folder, which is removed when the process ends. */
const char *fuzz_path(const char *name);
const char *fuzz_save(const char *name, const void *data, size_t size); /* returns its path */

/* ---- sections.c: several files in one input ---- */

/* An input made of sections: "@@ NAME\n", the bytes of a file, and "\n" before the next "@@ ". */
typedef struct fuzz_section {
  char name[64];
  const uint8_t *data;
  size_t size;
} fuzz_section;
/* Takes the next section; *cursor begins at 0. Returns 0 at the end. */
int fuzz_next_section(const uint8_t *data, size_t size, size_t *cursor, fuzz_section *out);
/* Changes the bytes of one section, and mends it. */
size_t fuzz_mutate_section(uint8_t *data, size_t size, size_t room, uint32_t seed,
                           size_t (*mend)(uint8_t *data, size_t size, size_t room));

/* ---- convert.c ---- */

/* Converts the file or folder at `path` as dit-convert does, to the end: opens it, infers its geometry, encodes, writes,
 * and opens what was written. Aborts if that cannot be opened. The options depend on `choice`. */
void fuzz_convert(const char *path, uint32_t choice);
extern unsigned fuzz_written; /* how many files were written and opened so far */

#endif
