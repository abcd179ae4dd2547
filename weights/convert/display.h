/* Progress on the terminal, and the signals that end the work. */
#ifndef DIT_CONVERT_DISPLAY_H
#define DIT_CONVERT_DISPLAY_H

#include "weights/convert/write/progress.h"

typedef struct display {
  const char *what, *unit; /* "writing", "MB" */
  double per_unit;
  int quiet, terminal, shown;
  int64_t start, last; /* microseconds */
  uint64_t percent;
} display;

/* `per_unit` of the numbers that are reported make one `unit`. The display must outlive the progress. */
progress display_start(display *d, const char *what, const char *unit, double per_unit, int quiet);
void display_end(const display *d);

/* From this call on, a signal makes the next report end the work, so that no part of a file is left behind; a second
 * signal ends the program at once. */
void display_catch_signals(void);

/* Returns the exit status after a signal, 128 plus its number, or else `status`. */
int display_exit_status(int status);

#endif
