/* The floating-point environment: see fpenv.h. */
#include "lib/core/numerics.h"

#include "lib/core/fpenv.h"

#if defined(__SSE__) || defined(_M_X64) || defined(_M_IX86)
#include <xmmintrin.h>

void dit__fpenv_enter(dit__fpenv *saved) {
  saved->words[0] = _mm_getcsr();
#if defined(__i386__) && defined(__GNUC__)
  /* On 32-bit x86, compilers return floats and convert 64-bit integers by means of the x87 unit, which has modes and
   * flags of its own. Its environment has 28 bytes. */
  const uint16_t standard = 0x37f;
  __asm__ volatile("fnstenv %0\n\tfldcw %1" : "=m"(*(uint8_t(*)[28])(saved->words + 1)) : "m"(standard) : "memory");
#endif
  /* All exceptions masked, round to nearest, no flush-to-zero, no denormals-are-zero (Intel SDM, volume 1, 10.2.3). */
  _mm_setcsr(0x1f80);
}

void dit__fpenv_leave(const dit__fpenv *saved) {
  _mm_setcsr((unsigned)saved->words[0]);
#if defined(__i386__) && defined(__GNUC__)
  __asm__ volatile("fldenv %0" : : "m"(*(const uint8_t(*)[28])(saved->words + 1)) : "memory");
#endif
}

#elif defined(__aarch64__)

void dit__fpenv_enter(dit__fpenv *saved) {
  __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(saved->words[0]), "=r"(saved->words[1]) : : "memory");
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
}

void dit__fpenv_leave(const dit__fpenv *saved) {
  __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(saved->words[0]), "r"(saved->words[1]) : "memory");
}

#else
#include <fenv.h>
#include <string.h>

_Static_assert(sizeof(fenv_t) <= sizeof(dit__fpenv), "dit__fpenv is too small for fenv_t");

void dit__fpenv_enter(dit__fpenv *saved) {
  fenv_t before;
  feholdexcept(&before);
  fesetenv(FE_DFL_ENV);
  memcpy(saved, &before, sizeof before);
}

void dit__fpenv_leave(const dit__fpenv *saved) {
  fenv_t before;
  memcpy(&before, saved, sizeof before);
  fesetenv(&before);
}
#endif
