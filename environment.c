/* The floating-point environment while the library works: round to nearest, subnormals kept, no traps. */
#include "numerics.h"

#include "internal.h"

#if defined(__SSE__) || defined(_M_X64) || defined(_M_IX86)
#include <xmmintrin.h>

void dit__environment_enter(dit__environment *saved) {
  saved->words[0] = _mm_getcsr();
#if defined(__i386__) && defined(__GNUC__)
  /* Unoptimised builds call libm's sqrt, which on 32-bit x86 computes with the x87 unit. */
  uint16_t control, standard = 0x37f;
  __asm__ volatile("fnstcw %0" : "=m"(control));
  __asm__ volatile("fldcw %0" : : "m"(standard));
  saved->words[1] = control;
#endif
  _mm_setcsr(
      0x1f80); /* all exceptions masked, nearest, no flush-to-zero, no denormals-are-zero (Intel SDM 1, 10.2.3) */
}

void dit__environment_leave(const dit__environment *saved) {
  _mm_setcsr((unsigned)saved->words[0]);
#if defined(__i386__) && defined(__GNUC__)
  uint16_t control = (uint16_t)saved->words[1];
  __asm__ volatile("fldcw %0" : : "m"(control));
#endif
}

#elif defined(__aarch64__)

void dit__environment_enter(dit__environment *saved) {
  __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(saved->words[0]), "=r"(saved->words[1]) : : "memory");
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
}

void dit__environment_leave(const dit__environment *saved) {
  __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(saved->words[0]), "r"(saved->words[1]) : "memory");
}

#else
#include <fenv.h>
#include <string.h>

_Static_assert(sizeof(fenv_t) <= sizeof(dit__environment), "room for the saved environment");

void dit__environment_enter(dit__environment *saved) {
  fenv_t before;
  feholdexcept(&before);
  fesetenv(FE_DFL_ENV);
  memcpy(saved, &before, sizeof before);
}

void dit__environment_leave(const dit__environment *saved) {
  fenv_t before;
  memcpy(&before, saved, sizeof before);
  fesetenv(&before);
}
#endif
