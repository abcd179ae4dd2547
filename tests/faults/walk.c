/* Walks a program through its calls with each failing once, and from then on (see shim.c):
 *
 *   walk SHIM FIRST STRIDE OUTPUT SECONDS PROGRAM ARGUMENT...
 *
 * Every STRIDE-th call from FIRST on is tried; with a STRIDE of 0, the first one from each place of the program. OUTPUT, in
 * the current folder, is the file that the program replaces. A run must end by itself within SECONDS with a status below
 * 128; with status 0 OUTPUT has the bytes of the run without a fault; with any other there is a sentence on standard
 * error, OUTPUT has its old bytes, and nothing else was left in the folder. The last line is "NAME: N passed, N failed". */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"

static const char OLD[] = "the old bytes\n";
static const char *output;
static int passed, failed;

/* ---- Runs ---- */

typedef struct outcome {
  int status; /* as the shell has it */
  char message[4096];
} outcome;

/* Starts the program with call `at` failing; its standard error goes to a pipe, its output nowhere. A file for calls is
 * named to the shim by the variable `wants`. */
static outcome run(const char *shim, long at, int from, int seconds, const char *wants, char **command) {
  outcome result = {0, ""};
  int pipes[2];
  if (pipe(pipes)) exit(2);
  const pid_t child = fork();
  if (child == 0) {
    char number[32];
    snprintf(number, sizeof number, "%ld", at);
    const int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, 0);
    dup2(nothing, 1);
    dup2(pipes[1], 2);
    setenv("FAULT_AT", number, 1);
    setenv("FAULT_FROM", from ? "1" : "0", 1);
    if (wants) setenv(wants, "calls", 1);
    setenv("LD_PRELOAD", shim, 1);
    alarm((unsigned)seconds);
    execv(command[0], command);
    _exit(126);
  }
  close(pipes[1]);
  size_t length = 0;
  for (ssize_t got; (got = read(pipes[0], result.message + length, sizeof result.message - 1 - length)) != 0;) {
    if (got < 0 && errno != EINTR) break;
    if (got > 0) length += (size_t)got;
    if (length == sizeof result.message - 1) break;
  }
  close(pipes[0]);
  result.message[length] = 0;
  int status = 0;
  waitpid(child, &status, 0);
  result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

/* What is wrong with a run; NULL: nothing. */
static const char *judge(const outcome *o, const char *wanted, size_t wanted_size, const char *others) {
  const int old = holds(output, OLD, sizeof OLD - 1), right = holds(output, wanted, wanted_size);
  if (o->status >= 124) return "it did not end by itself";
  if (o->status == 0 && !right) return "status 0, but the file is not the right one";
  if (o->status != 0 && !old) return "it failed, but the old file is gone or changed";
  if (o->status != 0 && strlen(o->message) < 8) return "it failed without a sentence";
  if (others[0]) return "it left something behind";
  return NULL;
}

int main(int count, char **arguments) {
  if (count < 7) return 2;
  const char *shim = arguments[1];
  const long begin = atol(arguments[2]), stride = atol(arguments[3]);
  const int seconds = atoi(arguments[5]);
  char **command = arguments + 6, before[8192], others[8192];
  output = arguments[4];
  store(output, OLD, sizeof OLD - 1);
  store("calls", "", 0);
  list(before, sizeof before, NULL);

  outcome first = run(shim, 0, 0, seconds, "FAULT_COUNT", command);
  size_t wanted_size, text_size;
  char *wanted = load(output, &wanted_size), *text = load("calls", &text_size), *places = NULL;
  const long calls = text ? atol(text) : 0;
  if (first.status || !wanted || calls < 10) {
    printf("  FAILED: %s without a fault: status %d, %ld calls: %s\n", command[0], first.status, calls, first.message);
    return 1;
  }
  if (!stride) {
    run(shim, 0, 0, seconds, "FAULT_PLACES", command);
    places = load("calls", &text_size);
    if (!places) return 2;
  }
  for (long at = stride ? begin : strtol(places, &places, 10); at > 0 && at <= calls;
       at = stride ? at + stride : strtol(places, &places, 10))
    for (int from = 0; from < 2; from++) {
      store(output, OLD, sizeof OLD - 1);
      const outcome o = run(shim, at, from, seconds, NULL, command);
      list(others, sizeof others, before);
      const char *wrong = judge(&o, wanted, wanted_size, others);
      passed += !wrong;
      failed += wrong != NULL;
      if (wrong && failed <= 20) {
        for (char **word = command; *word; word++)
          printf("%s%s", word == command ? "  FAILED: " : " ", file_name(*word));
        printf(": call %ld of %ld%s: status %d: %s %s: %s\n", at, calls, from ? " and later ones" : "", o.status, wrong,
               others, o.message);
      }
    }
  printf("%s: %d passed, %d failed\n", file_name(command[0]), passed, failed);
  return failed > 0;
}
