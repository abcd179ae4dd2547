/* Ctrl-C and other signals that end a program. A signal handler gets no pointer, so it needs the two variables below,
 * the only global ones of the program. */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t caught; /* the number of the signal; 0: none */
static dit_job *volatile watched;

static void handle(int number) {
  signal(number, handle); /* some systems reset the handler */
  caught = number;
  dit_job *job = watched;
  if (job) dit_job_cancel(job);
}

/* A signal that was ignored when the program started, as under nohup, stays ignored. */
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
  if (caught && job) dit_job_cancel(job); /* the signal came before the job existed */
}

int interrupt_status(void) { return caught ? 128 + caught : 0; }
