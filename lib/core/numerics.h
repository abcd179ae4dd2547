/* Every C file of the library includes this first: the arithmetic on which the promise of equal bits rests
 * (docs/numerics.md). The compiler must not fuse a * b + c unless the code asks for it, reassociate, or use the x87
 * unit. */
#ifndef DIT_NUMERICS_H
#define DIT_NUMERICS_H

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off") /* gcc ignores the standard pragma */
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#pragma float_control(precise, on)
#endif

#if defined(__FAST_MATH__) || defined(_M_FP_FAST) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "libdit promises equal bits everywhere: compile it without -ffast-math or /fp:fast"
#endif

#include <float.h>
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && \
    FLT_EVAL_METHOD != 16 /* 16, of gcc with AVX512-FP16, is as good as 0 */
#error "libdit cannot use x87 arithmetic: add -msse2 -mfpmath=sse"
#endif

#endif
