/* What is not started unless the user asks for it. */
#if !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* _SC_PHYS_PAGES */
#endif
#include "limits.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <unistd.h>
#endif

#include "message.h"

static const double MAX_SECONDS = 3600;                    /* for a picture */
static const uint64_t UNPACKED_BYTES = (uint64_t)64 << 20; /* that any file may unpack to, beside 4 times its size */

/* Returns the bytes of memory of the machine; UINT64_MAX if they are not known. */
static uint64_t machine_memory(void) {
#ifdef _WIN32
  MEMORYSTATUSEX status = {.dwLength = sizeof status};
  return GlobalMemoryStatusEx(&status) ? status.ullTotalPhys : UINT64_MAX;
#elif defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;
#else
  return UINT64_MAX;
#endif
}

int limits_check_memory(int allowed, size_t job_bytes) {
  const uint64_t all = machine_memory();
  if (allowed || job_bytes <= all) return EXIT_OK;
  return fail(EXIT_FAILED,
              "this would take %.1f GB of memory, and the machine has %.1f GB; lower --width and --height, set "
              "--memory-limit, or add --long to go ahead",
              (double)job_bytes / 1e9, (double)all / 1e9);
}

int limits_check_unpacking(int allowed, const char *path, size_t size, uint64_t bytes) {
  const uint64_t most = 4 * (uint64_t)size + UNPACKED_BYTES;
  if (allowed || bytes <= most) return EXIT_OK;
  return fail(EXIT_FAILED, "%s: its %.1f MB would unpack to pixels that take %.0f MB of memory; add --long to go ahead",
              path, (double)size / 1e6, (double)bytes / 1e6);
}

int limits_check_time(int allowed, int64_t microseconds_left, int32_t pictures) {
  const double seconds = (double)microseconds_left / 1e6;
  if (allowed || seconds / pictures <= MAX_SECONDS) return EXIT_OK;
  return fail(EXIT_FAILED,
              "this would take about %.0f hours; lower --steps, --width or --height, or add --long to go ahead",
              seconds / 3600);
}
