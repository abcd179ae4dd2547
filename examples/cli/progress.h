/* The progress of a job: one line that is redrawn on a terminal, or else a line every few seconds; and the clock. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "dit.h"

typedef struct progress {
  int shown;            /* 0: --quiet */
  int redrawn;          /* 1: the error stream is a terminal */
  int width;            /* of the line, columns */
  int line_open;        /* 1: the cursor is on the progress line */
  double started, last; /* seconds; when the job started, and when the line was last printed */
} progress;

void progress_begin(progress *p, int quiet);
void progress_show(progress *p, const dit_progress *state);

/* Clears the line and returns the seconds since progress_begin. */
double progress_end(progress *p);

/* Returns monotonic time in seconds from an arbitrary origin. */
double clock_seconds(void);

#endif
