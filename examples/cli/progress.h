/* How far a job is, for people: one line that is redrawn on a terminal, else a line every few seconds. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "dit.h"

typedef struct progress {
  int shown; /* 0: quiet */
  int redrawn;
  int width; /* of the line */
  int line_open;
  double started, last; /* seconds */
} progress;

void progress_begin(progress *p, int quiet);
void progress_show(progress *p, const dit_progress *state);
double progress_end(progress *p); /* clears the line; seconds since the beginning */

#endif
