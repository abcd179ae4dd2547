/* What is known about a terminal: whether a stream is one, its size, and how it shows pictures. */
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

/* Reads the answer "ESC [ ? numbers c", in which the number 4 means sixels. Keys pressed meanwhile are lost. */
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

/* Asks the terminal for its attributes (DA1), with echo off. A program in the background must not ask. */
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
  const char *columns_text = getenv("COLUMNS");
  uint64_t number;
  *columns = 80;
  *rows = 24;
  if (real_size(stream, columns, rows)) return;
  if (columns_text && number_digits(columns_text, strlen(columns_text), &number) && number >= 1 && number <= 10000)
    *columns = (int)number;
}

/* Returns 1 if the environment variable contains `part`, or if it is not empty and `part` is NULL. */
static int env_has(const char *variable, const char *part) {
  const char *value = getenv(variable);
  return value && (part ? strstr(value, part) != NULL : *value != 0);
}

int terminal_pictures(FILE *stream) {
  if (!is_terminal(stream) || env_has("TERM", "dumb")) return TERMINAL_HALF_BLOCKS;
  /* tmux and screen are terminals of their own, with the environment of the outer one. */
  if (!env_has("TMUX", NULL) && !env_has("STY", NULL)) {
    if (env_has("KITTY_WINDOW_ID", NULL) || env_has("TERM", "kitty") || env_has("TERM_PROGRAM", "ghostty"))
      return TERMINAL_KITTY;
    if (env_has("TERM_PROGRAM", "iTerm") || env_has("TERM_PROGRAM", "WezTerm") || env_has("TERM_PROGRAM", "mintty") ||
        env_has("LC_TERMINAL", "iTerm2"))
      return TERMINAL_ITERM;
  }
  return has_sixel(stream) ? TERMINAL_SIXEL : TERMINAL_HALF_BLOCKS;
}
