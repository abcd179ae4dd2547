/* Ctrl-C and other signals that end a program. A signal handler gets no pointer, so it needs the two variables below. */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* sigaction */
#endif
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t caught; /* the number of the signal; 0: none */
static dit_job *volatile watched;

static void handle(int number) {
#ifdef _WIN32
  signal(number, handle); /* Windows resets the handler */
#endif
  caught = number;
  dit_job *job = watched;
  if (job) dit_job_cancel(job); /* NOLINT(bugprone-signal-handler,cert-sig30-c): dit.h allows it */
}

/* A signal that was ignored when the program started, as under nohup, stays ignored. Calls that wait, such as opening or
 * reading a pipe, are not restarted after a signal, so that the program can end. */
static void catch_signal(int number) {
#ifdef _WIN32
  if (signal(number, handle) == SIG_IGN) signal(number, SIG_IGN);
#else
  struct sigaction action = {.sa_handler = handle}, before;
  sigemptyset(&action.sa_mask);
  if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(number, &action, NULL);
#endif
}

void interrupt_install(void) {
  catch_signal(SIGINT);
  catch_signal(SIGTERM);
#ifdef SIGHUP
  catch_signal(SIGHUP);
#endif
#ifdef SIGXFSZ
  signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit of a file's size fails instead */
#endif
}

void interrupt_watch(dit_job *job) {
  watched = job;
  if (caught && job) dit_job_cancel(job); /* the signal came before the job existed */
}

int interrupt_status(void) { return caught ? 128 + caught : 0; }
