/* The kernels are written once, over a vector layer. Each instruction set's file (avx2.c, neon.c ..) defines the
 * parameters below, most of them by including its vector layer (vec_*.h), and then includes
 *
 *   template.h        what all of them need, and
 *   template_f32.h    the f32 kernels and FN(fill_f32), or
 *   gemm_int8.h       low-precision products and FN(fill_qgemm), or both.
 *
 * These functions fill the table of kernels.h. docs/numerics.md defines every result to the bit; how the loops are
 * divided is free. None of these files has an include guard: each instruction set has its own copy.
 *
 * Names and attributes:
 *
 *   FN(name)      The name of a function for this instruction set, as in "#define FN(name) avx2_##name": a debugger and
 *                 objdump show avx2_gemm_f32, and "FN(gemm_f32)(" is where it is defined (ctags: see .ctags.d). Names
 *                 of all instruction sets must differ: the single header puts them into one file.
 *   TARGET        The attribute that lets a function use the instruction set (TARGET_FEATURES), or nothing.
 *
 * Shapes. The MR * NV vectors of a tile's sums, NV of a panel and one more must fit into the registers:
 *
 *   VL            Floats of a vector: 1, 4, 8 or 16.
 *   NV            Vectors of a panel, so that it has NR = NV * VL columns, at most DIT__MAX_NR.
 *   MR            Rows of a tile: 2, 6 or 12.
 *
 * Vectors of VL floats, of type VF. p points to floats of any alignment; arithmetic is that of IEEE 754 in single
 * precision, rounded to nearest, with subnormal numbers:
 *
 *   V_PREFETCH_L1(p), V_PREFETCH_L2(p)
 *                           Hints that may do nothing. p is any pointer and need not be valid.
 *   V_ZERO(), V_SET(x), V_BROADCAST(p)
 *                           All lanes 0, x, or *p.
 *   V_LOAD(p), V_STORE(p, x)
 *                           VL numbers.
 *   V_LOAD_PART(p, n), V_STORE_PART(p, x, n)
 *                           The first n lanes, 0 < n < VL; loading sets the others to 0. Nothing behind p[n-1] is
 *                           touched.
 *   V_ADD, V_SUB, V_MUL, V_DIV (a, b)
 *                           Each rounded once: the compiler must not fuse them (lib/core/numerics.h).
 *   V_FMA(a, b, c)          a * b + c, rounded once.
 *   V_MAX, V_MIN (a, b)     a > b ? a : b, and a < b ? a : b: b if either is NaN.
 *   V_LDEXP(p, t)           p * 2^n, where t = n + 1.5 * 2^23; neither p nor the result is subnormal or infinite.
 *   V_TRANSPOSE(x)          Transposes VF x[VL], a square, in place.
 *   V_LOAD_BYTES, V_LOAD_F16, V_LOAD_BF16, V_LOAD_I8 (p)
 *                           VL numbers of a stored type as floats, exactly. p points to bytes. V_LOAD_BYTES copies
 *                           bits, whatever they mean.
 *   V_STORE_U8(p, x)        VL integers 0..127 as bytes.
 *
 * Vectors of VL doubles, of type VD: D_ZERO(), D_SET(x), D_STORE(p, x), D_ADD, D_SUB, D_MUL (a, b), D_WIDEN(x) from VF,
 * and D_NARROW(x) to VF, rounded to nearest.
 *
 * For low-precision products. Vectors of VL lanes of 32 bits, each a sum or a group of numbers, are of type VI:
 *
 *   I_ZERO(), I_LOAD(p), I_BROADCAST(p)
 *                           All lanes 0; VL groups; one group (4 bytes) in all lanes. p points to bytes.
 *   I_DOT(sum, a, b)        In each lane, sum plus the products of a group of a (activations, 0..127) with one of b
 *                           (weights, -127..127), exactly.
 *   I_SUM_TO_F32(sum)       Sums as VF, each rounded once.
 *   QGEMM_NV, QGEMM_MR      As NV and MR; QGEMM_MR is 2, 4, 6 or 12.
 *   QGEMM_BF16              If defined, groups are two bfloat16, sums are the bits of floats, and I_DOT rounds as the
 *                           instruction does. Also needs V_STORE_BF16(p, x), which stores VL rounded numbers. */

#define NR (NV * VL)
_Static_assert(16 % VL == 0 && NR <= DIT__MAX_NR && MR <= DIT__MAX_MR, "shape of the tiles");
_Static_assert(DIT__MR_ALIGN % MR == 0 && DIT__WINOGRAD_ALIGN % MR == 0 && DIT__QUERIES % MR == 0, "rows of the tiles");

#include "lib/kernels/vec_memory.h"
#include "lib/kernels/vec_math.h"
#include "lib/kernels/epilogue.h"
