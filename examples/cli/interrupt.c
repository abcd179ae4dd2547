/* Ctrl-C and its relatives. A signal handler has no argument, so these two variables are the program's only globals. */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t caught; /* the signal's number */
static dit_job *volatile watched;

static void handle(int number) {
  signal(number, handle); /* some systems reset it */
  caught = number;
  dit_job *job = watched;
  if (job) dit_job_cancel(job);
}

/* What was ignored when the program started, as under nohup, stays ignored. */
static void catch_signal(int number) {
  if (signal(number, handle) == SIG_IGN) signal(number, SIG_IGN);
}

void interrupt_install(void) {
  catch_signal(SIGINT);
  catch_signal(SIGTERM);
#ifdef SIGHUP
  catch_signal(SIGHUP);
#endif
}

void interrupt_watch(dit_job *job) {
  watched = job;
  if (caught && job) dit_job_cancel(job); /* it came before there was a job */
}

int interrupt_status(void) { return caught ? 128 + caught : 0; }
