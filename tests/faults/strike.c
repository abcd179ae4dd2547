/* Strikes a program at random moments:
 *
 *   strike ACTION ROUNDS SEED INPUT OUTPUT PROGRAM ARGUMENT...
 *
 * In each of ROUNDS runs one ACTION happens, from before the start of the program to after its end:
 *   int, term, hup   that signal; twice   SIGINT two times; kill   SIGKILL
 *   cut              INPUT, in the current folder, is cut short; overwrite   it gets other bytes; replace   another
 *                    file gets its name; remove   it is removed
 * A run must end by itself within 20 s. OUTPUT, in the current folder, has its old bytes or those of a run without a
 * strike: the latter if the status is 0, the former if it is not, except after SIGKILL. A program that ends itself with
 * another status says why on standard error; one that is struck by a signal has the status 128 and its number, and no
 * run ends by any other signal. Nothing is left in the folder, except after SIGKILL, where the next run is not kept from
 * its work by what was left. The last line is "NAME: N passed, N failed". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"

static const char OLD[] = "the old bytes\n", OTHER[] = "These are other bytes than those that were here before.\n";
static const char *action, *input, *output;
static char *pristine, *wanted;
static size_t pristine_size, wanted_size;
static int passed, failed;
static unsigned long long state;

static double random_part(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) / 9007199254740992.0;
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void rest(double seconds) {
  const struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&pause, NULL);
}

/* The input as it was, an hour old. */
static void restore(void) {
  const struct timespec past[2] = {{time(NULL) - 3600, 0}, {time(NULL) - 3600, 0}};
  remove(input);
  store(input, pristine, pristine_size);
  utimensat(AT_FDCWD, input, past, 0);
}

static pid_t start(char **command) {
  const pid_t child = fork();
  if (child) return child;
  const int nothing = open("/dev/null", O_RDWR), message = open("message", O_WRONLY | O_CREAT | O_TRUNC, 0666);
  dup2(nothing, 0);
  dup2(nothing, 1);
  dup2(message, 2);
  alarm(20);
  execv(command[0], command);
  _exit(126);
}

static int signal_number(void) {
  static const struct {
    const char *name;
    int number;
  } signals[] = {{"int", SIGINT}, {"term", SIGTERM}, {"hup", SIGHUP}, {"twice", SIGINT}, {"kill", SIGKILL}};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    if (!strcmp(action, signals[i].name)) return signals[i].number;
  return 0;
}

static void strike(pid_t child) {
  const int number = signal_number();
  if (number) {
    kill(child, number);
    if (!strcmp(action, "twice")) rest(random_part() * 0.002), kill(child, number);
  } else if (!strcmp(action, "cut")) {
    if (truncate(input, (off_t)(random_part() * (double)pristine_size))) exit(2);
  } else if (!strcmp(action, "overwrite")) {
    store(input, OTHER, sizeof OTHER - 1);
  } else if (!strcmp(action, "replace")) {
    store("other", OTHER, sizeof OTHER - 1);
    rename("other", input);
  } else if (!strcmp(action, "remove")) {
    remove(input);
  } else {
    exit(2);
  }
}

/* What is wrong with a run; NULL: nothing. */
static const char *judge(int status, const char *others) {
  const int old = holds(output, OLD, sizeof OLD - 1), right = holds(output, wanted, wanted_size);
  const int number = signal_number(), code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  struct stat message;
  if (number == SIGKILL) return old || right ? NULL : "the file is neither the old nor the new one";
  if (others[0]) return "it left something behind";
  if (WIFSIGNALED(status)) {
    if (WTERMSIG(status) != number) return "another signal ended it";
    return old || right ? NULL : "the file is neither the old nor the new one";
  }
  if (code == 0) return right ? NULL : "status 0, but the file is not the right one";
  if (!old) return "it failed, but the old file is gone or changed";
  if (number && code != 128 + number) return "another status than that of the signal";
  if (!number && code != 1) return "a strange status";
  if (stat("message", &message) || message.st_size < 8) return "it failed without a sentence";
  return NULL;
}

static void report(const char *wrong, const char *program, double at, int status, const char *others) {
  passed += !wrong;
  failed += wrong != NULL;
  if (!wrong || failed > 20) return;
  size_t size;
  char *message = load("message", &size);
  printf("  FAILED: %s: %s after %.1f ms: %s (%s %d) %s: %s\n", file_name(program), action, at * 1e3, wrong,
         WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
         others, message ? message : "");
  free(message);
}

int main(int count, char **arguments) {
  if (count < 8) return 2;
  char **command = arguments + 6, before[8192], others[8192];
  const int rounds = atoi(arguments[2]);
  double length = 0;
  int status = 0;
  action = arguments[1];
  state = strtoull(arguments[3], NULL, 10);
  input = arguments[4];
  output = arguments[5];
  pristine = load(input, &pristine_size);
  store("message", "", 0);
  store(output, OLD, sizeof OLD - 1);
  list(before, sizeof before, NULL);
  for (int i = 0; i < 2; i++) { /* the second one reads from memory */
    const double begun = seconds_now();
    waitpid(start(command), &status, 0);
    length = seconds_now() - begun;
  }
  wanted = load(output, &wanted_size);
  if (!pristine || status || !wanted || holds(output, OLD, sizeof OLD - 1)) {
    report("a run that nothing struck went wrong", command[0], 0, status, "");
    return 1;
  }
  for (int i = 0; i < rounds; i++) {
    const double at = length * (1.1 * random_part() - 0.02);
    store(output, OLD, sizeof OLD - 1);
    restore();
    const pid_t child = start(command);
    if (at > 0) rest(at);
    strike(child); /* it is a zombie at the earliest */
    waitpid(child, &status, 0);
    others[0] = 0;
    if (signal_number() != SIGKILL) list(others, sizeof others, before);
    if (access(input, F_OK)) restore(); /* one of those that stay */
    report(judge(status, others), command[0], at, status, others);
  }
  restore();
  store(output, OLD, sizeof OLD - 1);
  waitpid(start(command), &status, 0);
  report(status == 0 && holds(output, wanted, wanted_size) ? NULL : "the next run went wrong", command[0], 0, status,
         "");
  printf("%s: %d passed, %d failed\n", file_name(command[0]), passed, failed);
  return failed > 0;
}
