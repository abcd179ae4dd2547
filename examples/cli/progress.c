/* The progress of a job, on the standard error stream. */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#endif
#include "progress.h"

#include <stdio.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

#include "terminal.h"

enum { MAX_LINE_COLUMNS = 60 };
static const double REDRAW_SECONDS = 0.1, LINE_SECONDS = 5;

#ifdef _WIN32

double clock_seconds(void) {
  LARGE_INTEGER count, frequency;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&frequency);
  return (double)count.QuadPart / (double)frequency.QuadPart;
}

#else

double clock_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif

void progress_begin(progress *p, int quiet) {
  int columns, rows;
  memset(p, 0, sizeof *p);
  p->shown = !quiet;
  p->redrawn = is_terminal(stderr);
  terminal_size(stderr, &columns, &rows);
  p->width = columns > MAX_LINE_COLUMNS ? MAX_LINE_COLUMNS : columns - 1;
  p->started = p->last = clock_seconds();
}

/* Writes ", 12 s left"; nothing if the time is not known yet. */
static void format_time_left(int64_t microseconds, char *text, size_t size) {
  int64_t seconds = (microseconds + 999999) / 1000000;
  int minutes = (int)(seconds / 60 % 60), hours = (int)(seconds / 3600);
  if (microseconds < 0)
    text[0] = 0;
  else if (seconds < 60)
    snprintf(text, size, ", %d s left", (int)seconds);
  else if (hours == 0)
    snprintf(text, size, ", %d min %02d s left", minutes, (int)(seconds % 60));
  else
    snprintf(text, size, ", %d h %02d min left", hours, minutes);
}

void progress_show(progress *p, const dit_progress *state) {
  double now = clock_seconds();
  if (!p->shown || now - p->last < (p->redrawn ? REDRAW_SECONDS : LINE_SECONDS)) return;
  char left[64], line[160];
  format_time_left(state->microseconds_left, left, sizeof left);
  snprintf(line, sizeof line, "step %d of %d, %d %%%s", state->step, state->steps, (int)(state->fraction * 100), left);
  if (p->redrawn)
    fprintf(stderr, "\r%-*.*s", p->width, p->width, line);
  else
    fprintf(stderr, "%s\n", line);
  fflush(stderr);
  p->last = now;
  p->line_open = p->redrawn;
}

double progress_end(progress *p) {
  if (p->line_open) fprintf(stderr, "\r%*s\r", p->width, "");
  p->line_open = 0;
  return clock_seconds() - p->started;
}
