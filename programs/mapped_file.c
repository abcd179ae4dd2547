/* Files that a program maps while others may change them: see mapped_file.h. */
#if !defined(_WIN32) && !defined(_XOPEN_SOURCE)
#define _XOPEN_SOURCE 700 /* sigaction, st_mtim */
#endif
#define _FILE_OFFSET_BITS 64
#include "programs/mapped_file.h"

#include <stdlib.h>
#include <string.h>

#ifdef _WIN32

struct mapped_file {
  char none;
};

void mapped_file_guard(const char *program) { (void)program; }
mapped_file *mapped_file_watch(const char *path) { return (void)path, (mapped_file *)malloc(sizeof(mapped_file)); }
void mapped_file_forget(mapped_file *file) { free(file); }
const char *mapped_file_changed(void) { return NULL; }

#else
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "programs/new_file.h"

struct mapped_file {
  mapped_file *next;
  int known; /* 0: it could not be looked at */
  struct stat about;
  char path[];
};

/* A signal handler gets no pointer, so it needs these. */
static mapped_file *volatile watched;
static const char *program_name;
static volatile sig_atomic_t ending;

mapped_file *mapped_file_watch(const char *path) {
  const size_t length = strlen(path);
  mapped_file *file = (mapped_file *)malloc(sizeof *file + length + 1);
  if (!file) return NULL;
  memcpy(file->path, path, length + 1);
  file->known = stat(path, &file->about) == 0;
  file->next = watched;
  watched = file;
  return file;
}

void mapped_file_forget(mapped_file *file) {
  if (watched == file) {
    watched = file ? file->next : NULL;
  } else {
    for (mapped_file *at = watched; at; at = at->next)
      if (at->next == file) at->next = file ? file->next : NULL;
  }
  free(file);
}

#ifdef __APPLE__
#define TIME_OF(about) (about).st_mtimespec
#else
#define TIME_OF(about) (about).st_mtim
#endif

static int is_same(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
         TIME_OF(*a).tv_sec == TIME_OF(*b).tv_sec && TIME_OF(*a).tv_nsec == TIME_OF(*b).tv_nsec;
}

const char *mapped_file_changed(void) {
  for (const mapped_file *file = watched; file; file = file->next) {
    struct stat now;
    if (file->known && (stat(file->path, &now) || !is_same(&file->about, &now))) return file->path;
  }
  return NULL;
}

static void say(const char *text) {
  for (size_t length = strlen(text); length;) {
    const ssize_t written = write(STDERR_FILENO, text, length);
    if (written <= 0) return;
    text += written;
    length -= (size_t)written;
  }
}

/* Calls only what a signal handler may call. Other threads may come here too; the first one ends the program. */
static void end_program(int number, siginfo_t *info, void *context) {
  (void)context;
  if (info->si_code <= 0) { /* sent by somebody */
    signal(number, SIG_DFL);
    raise(number);
    return;
  }
  while (__atomic_exchange_n(&ending, 1, __ATOMIC_SEQ_CST)) pause();
  const char *path = mapped_file_changed();
  say(program_name);
  say(": ");
  say(path ? path : "a file");
  say(path ? ": was changed or cut short while it was read; run it again when nobody writes to the file\n"
           : " can no longer be read\n");
  new_file_remove_all();
  _exit(1);
}

void mapped_file_guard(const char *program) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = end_program;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  program_name = program;
  sigaction(SIGBUS, &action, NULL);
}
#endif
