/* Terminals: whether there is one, how large it is, what pictures it can show. */
#if !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* fileno, isatty, TIOCGWINSZ */
#endif
#include "terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

#ifdef _WIN32

#include <io.h>
int is_terminal(FILE *stream) { return _isatty(_fileno(stream)); }
static int real_size(FILE *stream, int *columns, int *rows) { return (void)stream, (void)columns, (void)rows, 0; }
static int has_sixel(FILE *stream) { return (void)stream, 0; }

#else

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { ANSWER_MILLISECONDS = 300 };

int is_terminal(FILE *stream) { return isatty(fileno(stream)); }

static int real_size(FILE *stream, int *columns, int *rows) {
  struct winsize size;
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || !size.ws_col || !size.ws_row) return 0;
  *columns = size.ws_col;
  *rows = size.ws_row;
  return 1;
}

/* Reads the answer "ESC [ ? numbers c" and looks for the number 4. What is typed meanwhile is lost. */
static int answer_has_sixel(int terminal) {
  char answer[128];
  size_t length = 0;
  struct pollfd ready = {.fd = terminal, .events = POLLIN};
  while (length < sizeof answer - 1 && poll(&ready, 1, ANSWER_MILLISECONDS) == 1) {
    if (read(terminal, answer + length, 1) != 1) break;
    if (answer[length++] == 'c') break;
  }
  answer[length] = 0;
  const char *numbers = strstr(answer, "\033[?");
  return numbers && (strstr(numbers, ";4;") || strstr(numbers, ";4c"));
}

/* Asks the terminal what it is (DA1), with its echo off. A program in the background must not ask. */
static int has_sixel(FILE *stream) {
  struct termios before, quiet;
  int terminal = open("/dev/tty", O_RDWR | O_NOCTTY), found = 0;
  if (terminal < 0 || !is_terminal(stream) || tcgetpgrp(terminal) != getpgrp() || tcgetattr(terminal, &before) != 0) {
    if (terminal >= 0) close(terminal);
    return 0;
  }
  quiet = before;
  quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  quiet.c_cc[VMIN] = 1;
  quiet.c_cc[VTIME] = 0;
  fflush(stream);
  if (tcsetattr(terminal, TCSAFLUSH, &quiet) == 0) {
    if (write(terminal, "\033[c", 3) == 3) found = answer_has_sixel(terminal);
    tcsetattr(terminal, TCSAFLUSH, &before);
  }
  close(terminal);
  return found;
}

#endif

void terminal_size(FILE *stream, int *columns, int *rows) {
  const char *said = getenv("COLUMNS");
  uint64_t number;
  *columns = 80;
  *rows = 24;
  if (real_size(stream, columns, rows)) return;
  if (said && number_digits(said, strlen(said), &number) && number >= 1 && number <= 10000) *columns = (int)number;
}

static int says(const char *variable, const char *value) {
  const char *said = getenv(variable);
  return said && (value ? strstr(said, value) != NULL : *said != 0);
}

int terminal_pictures(FILE *stream) {
  if (!is_terminal(stream) || says("TERM", "dumb")) return TERMINAL_HALVES;
  if (!says("TMUX", NULL) &&
      !says("STY", NULL)) { /* these are terminals in between, with the outer one's environment */
    if (says("KITTY_WINDOW_ID", NULL) || says("TERM", "kitty") || says("TERM_PROGRAM", "ghostty"))
      return TERMINAL_KITTY;
    if (says("TERM_PROGRAM", "iTerm") || says("TERM_PROGRAM", "WezTerm") || says("TERM_PROGRAM", "mintty") ||
        says("LC_TERMINAL", "iTerm2"))
      return TERMINAL_ITERM;
  }
  return has_sixel(stream) ? TERMINAL_SIXEL : TERMINAL_HALVES;
}
