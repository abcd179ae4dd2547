/* Running dit-convert in a test, in a temporary folder. The test defines _DEFAULT_SOURCE (mkdtemp, fork) first. */
#ifndef DIT_TEST_CONVERT_H
#define DIT_TEST_CONVERT_H

#include "tests/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program = "build/dit-convert";
static char folder[64]; /* temporary */

/* ---- Files ---- */

static uint8_t *load(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  uint8_t *bytes = NULL;
  *size = 0;
  if (!f) return NULL;
  fseek(f, 0, SEEK_END);
  long length = ftell(f);
  rewind(f);
  bytes = (uint8_t *)malloc((size_t)length + 1);
  *size = fread(bytes, 1, (size_t)length, f);
  bytes[*size] = 0;
  fclose(f);
  return bytes;
}

static void save(const char *path, const void *bytes, size_t size) {
  FILE *f = fopen(path, "wb");
  CHECK(f && fwrite(bytes, 1, size, f) == size, "%s cannot be written", path);
  if (f) fclose(f);
}

static const char *in_folder(const char *name) {
  static char paths[16][128];
  static int next;
  char *path = paths[next++ % 16];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

/* Files in the temporary folder; `clear` removes them. */
#if defined(__GNUC__)
__attribute__((unused))
#endif
static int
count_files(int clear) {
  DIR *directory = opendir(folder);
  int count = 0;
  for (struct dirent *entry; directory && (entry = readdir(directory));) {
    if (entry->d_name[0] == '.') continue;
    count++;
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (clear) remove(path);
  }
  if (directory) closedir(directory);
  return count;
}

/* ---- Running it ---- */

static char output[16384]; /* of the last run, both streams */

/* Runs dit-convert in the background. */
static pid_t start(const char *const *arguments) {
  const char *all[40] = {program};
  char log[128];
  int n = 1;
  snprintf(log, sizeof log, "%s/.log", folder);
  while (*arguments && n < 39) all[n++] = *arguments++;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, 1);
    dup2(out, 2);
    execv(program, (char *const *)(uintptr_t)all);
    _exit(127);
  }
  return child;
}

static int finish(pid_t child) {
  int status = 0;
  size_t size;
  char path[128];
  snprintf(path, sizeof path, "%s/.log", folder);
  waitpid(child, &status, 0);
  uint8_t *log = load(path, &size);
  snprintf(output, sizeof output, "%s", log ? (char *)log : "");
  free(log);
  remove(path);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define RUN(...) finish(start((const char *const[]){__VA_ARGS__, NULL}))

#if defined(__GNUC__)
__attribute__((unused))
#endif
static void
equal_files(const char *what, const char *a, const char *b) {
  size_t a_size, b_size, at = 0;
  uint8_t *x = load(a, &a_size), *y = load(b, &b_size);
  while (x && y && at < a_size && at < b_size && x[at] == y[at]) at++;
  CHECK(x && y && a_size == b_size && at == a_size, "%s: %d and %d bytes, the first difference at %d", what,
        (int)a_size, (int)b_size, (int)at);
  free(x);
  free(y);
}

#if defined(__GNUC__)
__attribute__((unused))
#endif
static int
differ(const char *a, const char *b) {
  size_t a_size, b_size;
  uint8_t *x = load(a, &a_size), *y = load(b, &b_size);
  int same = x && y && a_size == b_size && memcmp(x, y, a_size) == 0;
  free(x);
  free(y);
  return !same;
}

/* A run that must have failed, with a message that has all of `words` ("a|b"). */
static void refused(const char *what, int status, const char *words) {
  char parts[256], *part;
  CHECK(status == 1, "%s: exit status %d", what, status);
  snprintf(parts, sizeof parts, "%s", words);
  for (part = strtok(parts, "|"); part; part = strtok(NULL, "|"))
    CHECK(strstr(output, part) != NULL, "%s: does not say \"%s\":\n%s", what, part, output);
}

#endif
