/* The smallest test harness: CHECK counts, SKIP says why, test_end prints the closing line. */
#ifndef DIT_TEST_H
#define DIT_TEST_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether memory and time are a sanitizer's. gcc says so in one way, and clang in another. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if !defined(SANITIZED) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define SANITIZED 1
#elif !defined(SANITIZED)
#define SANITIZED 0
#endif

static int test_passed, test_failed, test_skipped;

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5), unused))
#endif
static int
test_check(int condition, const char *file, int line, const char *format, ...) {
  if (condition) {
    test_passed++;
    return 1;
  }
  test_failed++;
  if (test_failed <= 50) {
    va_list arguments;
    va_start(arguments, format);
    printf("  FAILED %s:%d: ", file, line);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
  }
  return 0;
}

#define CHECK(condition, ...) test_check(!!(condition), __FILE__, __LINE__, __VA_ARGS__)
#define SKIP(reason) (test_skipped++, printf("  skipped: %s\n", reason))

#if defined(__GNUC__)
__attribute__((unused))
#endif
static int
test_end(const char *name) {
  printf("%s: %d passed, %d failed", name, test_passed, test_failed);
  if (test_skipped) printf(", %d skipped", test_skipped);
  printf("\n");
  return test_failed != 0;
}

#endif
