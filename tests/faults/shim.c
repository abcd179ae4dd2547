/* Loaded before a program (LD_PRELOAD): makes one of its calls to the C library fail.
 *
 *   FAULT_AT=N      the N-th call fails (from 1); 0 or unset: none
 *   FAULT_FROM=1    so do all calls of the same kind after it
 *   FAULT_COUNT=F   at the end, the number of calls is written to the file F
 *   FAULT_PLACES=F  the number of the first call from each place of the program is written to the file F; a place is a
 *                   line of calls, of which the innermost three within the program count
 *
 * Counted are allocations, and the calls that open, look at, read, map, write, flush, close, synchronize and
 * rename files. Output to standard error is left alone, so that the program can say what happened. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { ALLOCATE, OPEN, READ, MAP, WRITE, FLUSH, CLOSE, SYNC, RENAME, STAT };

static long calls, fault_at;
static int fault_from, ready, chosen = -1;

/* ---- Places ---- */

enum { MAX_PLACES = 4096, MAX_DEPTH = 32, OWN_FRAMES = 3 };
typedef struct place {
  uintptr_t frames[OWN_FRAMES];
  long first; /* call */
} place;
static place places[MAX_PLACES];
static int place_count, wants_places;
static uintptr_t program_begin, program_end;

/* The first object is the program. */
static int find_program(struct dl_phdr_info *object, size_t size, void *user) {
  (void)size, (void)user;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const uintptr_t begin = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr,
                    end = begin + object->dlpi_phdr[i].p_memsz;
    if (object->dlpi_phdr[i].p_type != PT_LOAD || !(object->dlpi_phdr[i].p_flags & PF_X)) continue;
    program_begin = begin;
    program_end = end;
  }
  return 1;
}

static void note_place(long call) {
  void *stack[MAX_DEPTH];
  const int depth = backtrace(stack, MAX_DEPTH);
  place here = {{0}, call};
  for (int i = 0, own = 0; i < depth && own < OWN_FRAMES; i++)
    if ((uintptr_t)stack[i] >= program_begin && (uintptr_t)stack[i] < program_end)
      here.frames[own++] = (uintptr_t)stack[i];
  for (int i = 0; i < place_count; i++)
    if (!memcmp(places[i].frames, here.frames, sizeof here.frames)) return;
  if (place_count < MAX_PLACES) places[place_count++] = here;
}

static void write_places(FILE *file) {
  for (int i = 0; i < place_count; i++) fprintf(file, "%ld\n", places[i].first);
}

/* ---- What fails ---- */

static int fails(enum kind kind) {
  if (!ready) return 0;
  const long call = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
  if (wants_places) note_place(call);
  if (call == fault_at) __atomic_store_n(&chosen, (int)kind, __ATOMIC_SEQ_CST);
  return call == fault_at || (fault_from && fault_at && call > fault_at && (int)kind == chosen);
}

static int fails_with(enum kind kind, int error) {
  if (!fails(kind)) return 0;
  errno = error;
  return 1;
}

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
  const char *at = getenv("FAULT_AT"), *from = getenv("FAULT_FROM");
  fault_at = at ? atol(at) : 0;
  fault_from = from && atoi(from);
  wants_places = getenv("FAULT_PLACES") != NULL;
  if (wants_places) {
    void *here;
    backtrace(&here, 1); /* which allocates memory the first time */
    dl_iterate_phdr(find_program, NULL);
  }
  ready = 1;
}

/* What runs after main, as the dump of gcov's counters, is not the program's own: it never fails. */
static int (*program)(int, char **, char **);

static int main_then_rest(int argc, char **argv, char **environment) {
  const int status = program(argc, argv, environment);
  ready = 0;
  return status;
}

int __libc_start_main(int (*start)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
  int (*real)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *) =
      next("__libc_start_main");
  program = start;
  return real(main_then_rest, argc, argv, init, fini, rtld_fini, stack_end);
}

void exit(int status) {
  void (*real)(int) __attribute__((noreturn)) = next("exit");
  ready = 0;
  real(status);
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv(wants_places ? "FAULT_PLACES" : "FAULT_COUNT");
  ready = 0;
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  if (wants_places)
    write_places(file);
  else
    fprintf(file, "%ld\n", calls);
  fclose(file);
}

/* ---- Memory ---- */

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) { return fails_with(ALLOCATE, ENOMEM) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails_with(ALLOCATE, ENOMEM) ? NULL : __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { return fails_with(ALLOCATE, ENOMEM) ? NULL : __libc_realloc(block, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
  if (fails(ALLOCATE)) return ENOMEM;
  *block = __libc_memalign(alignment, size);
  return *block ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size) {
  return fails_with(ALLOCATE, ENOMEM) ? NULL : __libc_memalign(alignment, size);
}

/* ---- Files ---- */

FILE *fopen(const char *path, const char *mode) {
  FILE *(*real)(const char *, const char *) = next("fopen");
  return fails_with(OPEN, EMFILE) ? NULL : real(path, mode);
}

FILE *fopen64(const char *path, const char *mode) {
  FILE *(*real)(const char *, const char *) = next("fopen64");
  return fails_with(OPEN, EMFILE) ? NULL : real(path, mode);
}

#define OPEN_FUNCTION(name)                                         \
  int name(const char *path, int flags, ...) {                      \
    int (*real)(const char *, int, ...) = next(#name);              \
    va_list more;                                                   \
    va_start(more, flags);                                          \
    const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                   \
    return fails_with(OPEN, EMFILE) ? -1 : real(path, flags, mode); \
  }
OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)

int fstat(int file, struct stat *to) {
  int (*real)(int, struct stat *) = next("fstat");
  return fails_with(STAT, EIO) ? -1 : real(file, to);
}

int fstat64(int file, struct stat64 *to) {
  int (*real)(int, struct stat64 *) = next("fstat64");
  return fails_with(STAT, EIO) ? -1 : real(file, to);
}

int stat(const char *path, struct stat *to) {
  int (*real)(const char *, struct stat *) = next("stat");
  return fails_with(STAT, EIO) ? -1 : real(path, to);
}

int lstat(const char *path, struct stat *to) {
  int (*real)(const char *, struct stat *) = next("lstat");
  return fails_with(STAT, EIO) ? -1 : real(path, to);
}

ssize_t readlink(const char *path, char *to, size_t size) {
  ssize_t (*real)(const char *, char *, size_t) = next("readlink");
  return fails_with(STAT, EIO) ? -1 : real(path, to, size);
}

ssize_t read(int file, void *to, size_t size) {
  ssize_t (*real)(int, void *, size_t) = next("read");
  return fails_with(READ, EIO) ? -1 : real(file, to, size);
}

/* A stream whose reading or writing failed says so to ferror. */
static size_t fail_stream(FILE *file) {
  file->_flags |= _IO_ERR_SEEN;
  return 0;
}

size_t fread(void *to, size_t size, size_t count, FILE *file) {
  size_t (*real)(void *, size_t, size_t, FILE *) = next("fread");
  return fails_with(READ, EIO) ? fail_stream(file) : real(to, size, count, file);
}

void *mmap(void *at, size_t size, int access, int flags, int file, off_t offset) {
  void *(*real)(void *, size_t, int, int, int, off_t) = next("mmap");
  return file >= 0 && fails_with(MAP, ENOMEM) ? MAP_FAILED : real(at, size, access, flags, file, offset);
}

void *mmap64(void *at, size_t size, int access, int flags, int file, off64_t offset) {
  void *(*real)(void *, size_t, int, int, int, off64_t) = next("mmap64");
  return file >= 0 && fails_with(MAP, ENOMEM) ? MAP_FAILED : real(at, size, access, flags, file, offset);
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *file) {
  size_t (*real)(const void *, size_t, size_t, FILE *) = next("fwrite");
  return file != stderr && fails_with(WRITE, ENOSPC) ? fail_stream(file) : real(from, size, count, file);
}

int fflush(FILE *file) {
  int (*real)(FILE *) = next("fflush");
  const int pending = file && file != stderr && __fpending(file); /* what has nothing to write cannot fail */
  return pending && fails_with(FLUSH, ENOSPC) ? EOF : real(file);
}

int fclose(FILE *file) {
  int (*real)(FILE *) = next("fclose");
  const int failed = fails(CLOSE), status = real(file);
  if (!failed) return status;
  errno = EIO;
  return EOF;
}

int fsync(int file) {
  (void)file; /* nobody waits for the disk here */
  return fails_with(SYNC, EIO) ? -1 : 0;
}

int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = next("rename");
  return fails_with(RENAME, EACCES) ? -1 : real(from, to);
}
