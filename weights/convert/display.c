#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* isatty and fileno */
#endif

#include "weights/convert/display.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#ifdef _WIN32
#include <io.h>
#define isatty _isatty
#define fileno _fileno
#else
#include <unistd.h>
#endif

#include "lib/core/platform.h"
#include "programs/new_file.h"

static volatile sig_atomic_t interrupted; /* the number of the signal; 0: none */

/* Makes the work stop at its next report, which removes what was written. A second signal ends the program at once. */
static void interrupt(int number) {
  if (interrupted) {
    new_file_remove_all();
    signal(number, SIG_DFL);
    raise(number); /* ends the program when this handler returns */
    return;
  }
  interrupted = number;
#ifdef _WIN32
  signal(number, interrupt); /* Windows resets the handler */
#endif
}

/* A signal that was ignored when the program started, as under nohup, stays ignored. */
static void catch_signal(int number) {
#ifdef _WIN32
  signal(number, interrupt);
#else
  struct sigaction action, before;
  memset(&action, 0, sizeof action);
  action.sa_handler = interrupt;
  sigemptyset(&action.sa_mask);
  if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(number, &action, NULL);
#endif
}

int display_exit_status(int status) { return status && interrupted ? 128 + interrupted : status; }

void display_catch_signals(void) {
  catch_signal(SIGINT);
  catch_signal(SIGTERM);
#ifndef _WIN32
  catch_signal(SIGHUP);
  signal(SIGPIPE, SIG_IGN); /* ignored, a write fails instead, and the file is removed */
  signal(SIGXFSZ, SIG_IGN);
#endif
}

static int show_progress(void *user, uint64_t done, uint64_t total) {
  display *d = (display *)user;
  int64_t now = dit__clock();
  uint64_t percent = total ? done * 100 / total : 100;
  double seconds = (double)(now - d->start) / 1e6,
         speed = (double)done / d->per_unit / (seconds > 1e-6 ? seconds : 1e-6);
  if (interrupted) return 1;
  if (d->quiet) return 0;
  if (d->terminal && now - d->last > 100000) {
    fprintf(stderr, "\r%s: %3d %%, %.0f %s/s ", d->what, (int)percent, speed, d->unit);
    fflush(stderr);
  } else if (!d->terminal && now - d->last > 2000000 && percent >= d->percent + 5) {
    fprintf(stderr, "%s: %d %%, %.0f %s/s\n", d->what, (int)percent, speed, d->unit);
  } else {
    return 0;
  }
  d->shown = 1;
  d->last = now;
  d->percent = percent;
  return 0;
}

progress display_start(display *d, const char *what, const char *unit, double per_unit, int quiet) {
  memset(d, 0, sizeof *d);
  d->what = what;
  d->unit = unit;
  d->per_unit = per_unit;
  d->quiet = quiet;
  d->terminal = isatty(fileno(stderr));
  d->start = d->last = dit__clock();
  progress watch = {show_progress, d};
  return watch;
}

void display_end(const display *d) {
  if (d->terminal && d->shown) fprintf(stderr, "\r%*s\r", 60, "");
}
